// For tests: two API processes on one Redis and one storage, as behind a balancer.
import { startApi, type TestApi } from './start-api.ts';

export interface TwoApis {
  readonly one: TestApi;
  readonly other: TestApi;
  close(): Promise<void>;
}

export async function startTwoApis(env: Record<string, string> = {}): Promise<TwoApis> {
  const one = await startApi(env);
  const shared = { ...env, STORAGE_URL: one.deps.config.STORAGE_URL };
  const other = await startApi(shared, { ...one.redis, close: async () => undefined });
  return {
    one,
    other,
    async close() {
      await other.close();
      await one.close();
    },
  };
}

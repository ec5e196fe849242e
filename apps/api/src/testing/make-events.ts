// For tests: events without the jobs that would make them, as jobs/lua/lib.lua writes them.
import type { Deps } from '../deps.ts';

interface MadeEvents {
  readonly account: string;
  readonly jobId: string;
  readonly type: string;
  readonly status: string;
  readonly count: number;
}

/** Adds `count` events of a job and says so once. */
export async function makeEvents({ redis, keys }: Pick<Deps, 'redis' | 'keys'>, made: MadeEvents): Promise<void> {
  const pipeline = redis.pipeline();
  const { account, jobId, type, status } = made;
  for (let sequence = 1; sequence <= made.count; sequence += 1) {
    const fields = { type, job: jobId, status, batch: '', run: '1', sequence: String(1_000 + sequence), image: '' };
    pipeline.xadd(keys.accountEvents(account), '*', ...Object.entries(fields).flat());
  }
  const replies = await pipeline.exec();
  const newest = String(replies?.at(-1)?.[1]);
  const state = JSON.parse((await redis.hget(keys.job(jobId), 'state')) ?? '{}') as object;
  await redis.hset(keys.job(jobId), 'state', JSON.stringify({ ...state, event: newest }));
  await redis.publish(keys.jobChanges, `${newest} ${type} ${jobId} ${status} ${account} - -`);
}

// Who goes when, on real processes: a batch beside single jobs of two accounts, a model that hangs beside one that works,
// lanes that are full for one account, and where a job stands.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Api, CAT, errorOf, type Job, submission } from '../support/api.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const SHOP = 'dk_shop_0123456789abcdef';
const STUDIO = 'dk_studio_0123456789abcdef';
const MODEL = 'gpt-image-2';

let stack: TestStack;
let studio: Api;

beforeAll(async () => {
  const env = {
    AUTH: 'keys',
    API_KEYS: `shop:${SHOP},studio:${STUDIO}`,
    WORKER_CONCURRENCY: '4',
    CALL_TIMEOUT_MS: '4000',
  };
  stack = await startTestStack({ env }, SHOP);
  studio = new Api(stack.api.url, STUDIO);
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

const times = <T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => make(index)));
const requests = async () => (await stack.simulator.ledger()).requests;

/** A job whose first call has stopped its model for a minute, until `stack.reset`. */
async function stopModel(): Promise<Job> {
  await stack.simulator.fault('rate_limit_images', { model: MODEL, count: 1, params: { retryAfterMs: 60_000 } });
  const job = await stack.api.submit();
  await until('the model is stopped', async () => (await requests()).length === 1);
  return job;
}

describe('a batch', () => {
  test('of 300 lines leaves single jobs of its own account and of another their turn, and still gets its own', async () => {
    // Long enough for the batch to be fed faster than it is worked off, however slow the machine.
    await stack.simulator.fault('latency', { params: { ms: 150 } });
    const lines = Array.from({ length: 300 }, (_, index) => ({
      custom_id: String(index),
      operation: 'generation',
      body: { ...CAT, prompt: 'of the batch' },
    }));
    const batch = await stack.api.request('POST', '/v1/batches', {
      body: { completion_window: '24h', requests: lines },
    });
    expect(batch.status).toBe(200);
    await until('the batch is fed and runs', async () => (await requests()).length >= 10);
    const openJobs = () => stack.redis.zcard('{darkroom}:open-jobs');
    await until('more of it is in line than will have a turn', async () => (await openJobs()) >= 60);
    const jobs = await Promise.all([
      times(20, () => stack.api.submit({ prompt: 'of the shop' })),
      times(20, () => studio.submit({ prompt: 'of the studio' })),
    ]);
    await Promise.all([...jobs[0].map(({ id }) => stack.api.ended(id)), ...jobs[1].map(({ id }) => studio.ended(id))]);
    const { id } = batch.json as { id: string };
    await stack.api.request('POST', `/v1/batches/${id}/cancel`);
    const started = (await requests()).map(({ prompt }) => prompt);
    const first = started.findIndex((prompt) => prompt !== 'of the batch');
    const last = started.findLastIndex((prompt) => prompt !== 'of the batch');
    const between = started.slice(first, last).filter((prompt) => prompt === 'of the batch').length;
    say(`40 single jobs beside a batch of 300: ${between} of the batch from the first of them to the last`);
    // Low beside normal is one to four; a few were taken up before the single jobs came.
    expect(between).toBeGreaterThanOrEqual(1);
    expect(between).toBeLessThanOrEqual(14);
    await until('the batch is over', async () => {
      const { status } = (await stack.api.request('GET', `/v1/batches/${id}`)).json as { status: string };
      return status === 'cancelled' || status === 'completed';
    });
  });
});

describe('a model that hangs', () => {
  test('does not keep another from working, and each job says what an unknown outcome means to it', async () => {
    const hung = 'gpt-image-2.5-flare';
    await stack.simulator.fault('hang', { model: hung, count: 3 });
    const careful = await stack.api.submit({ model: hung }, { on_unknown: 'fail', priority: 'high' });
    const others = await times(5, () => stack.api.submit({ model: hung }));
    await until('the hung calls have all the places their lane may have', async () => (await requests()).length === 3);
    const ended = await times(5, () => stack.api.run());
    expect(ended.map(({ status }) => status)).toEqual(times5('completed'));
    expect((await stack.api.job(careful.id)).status).toBe('in_progress');
    const outcomes = async ({ id }: Job) => (await stack.api.attempts(id)).map(({ outcome }) => outcome).join(' ');
    expect((await stack.api.ended(careful.id)).status).toBe('failed');
    expect(await outcomes(careful)).toBe('unknown');
    for (const { id } of others) expect((await stack.api.ended(id)).status).toBe('completed');
    const rest = await Promise.all(others.map(outcomes));
    expect(rest.toSorted()).toEqual(['succeeded', 'succeeded', 'succeeded', 'unknown succeeded', 'unknown succeeded']);
  });

  const times5 = (status: string) => Array.from({ length: 5 }, () => status);
});

describe('a lane', () => {
  test('full for one account takes another’s jobs; places count down to null when it goes on', async () => {
    const first = await stopModel();
    const api = await stack.addApi({ MAX_ACCOUNT_QUEUE_DEPTH: '6' });
    const other = new Api(api.url, STUDIO);
    const mine = [first, ...(await times(5, () => api.submit()))];
    const refused = await api.request('POST', '/v1/jobs', { body: submission() });
    expect([refused.status, errorOf(refused).code]).toEqual([429, 'queue_full']);
    expect(errorOf(refused).message).toContain('6 calls of your account');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    const theirs = await other.submit();
    const place = async (one: Api, { id }: Job) => (await one.job(id)) as Job & Place;
    const waiting = await until('all stand in line', async () => {
      const seen = await Promise.all([...mine.map((job) => place(api, job)), place(other, theirs)]);
      return seen.every((job) => job.queue_position !== null) && seen;
    });
    expect(waiting.map((job) => job.queue_position ?? -1).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(waiting[6]?.queue_position).toBeLessThan(3);
    expect(waiting[0]?.expected_wait_seconds).toBeGreaterThan(30);
    await stack.reset();
    await stack.simulator.fault('latency', { params: { ms: 500 } }); // so that a place between is seen
    const last = waiting.slice(0, 6).toSorted((a, b) => (b.queue_position ?? 0) - (a.queue_position ?? 0))[0];
    const seen: (number | null)[] = [last?.queue_position ?? null];
    await until('the last has ended', async () => {
      const job = await place(api, last as Job);
      seen.push(job.queue_position);
      return job.status === 'completed';
    });
    const places = seen.filter((position) => position !== null);
    // It may rise for a moment, when calls that were taken up give their turn back.
    expect(places.at(-1)).toBeLessThan(places[0] ?? 0);
    expect(seen.at(-1)).toBeNull();
    expect((await api.ended((await api.submit()).id)).status).toBe('completed');
  });

  interface Place {
    readonly queue_position: number | null;
    readonly expected_wait_seconds: number | null;
  }
});

// Where jobs stand in their lane, how long that may take, and when a lane takes no more. No worker runs: what waits, waits.
import { newJobId } from '@darkroom/shared/base/ids.ts';
import { createJob } from '@darkroom/shared/jobs/steps.ts';
import { TEST_SPEC } from '@darkroom/shared/jobs/test-spec.ts';
import { jobSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { completeJob } from '../testing/finish-job.ts';
import { type Answer, OTHER_KEY, startApi, type TestApi } from '../testing/start-api.ts';

/** Requests for `dall-e-3` go there too, each image a call of its own. */
const LANE = 'gpt-image-2.6-flare';
/** A rate that was read may be told for a second. */
const SOON = { timeout: 10_000 };

/** Each test has one of its own: what was read of a lane is remembered for a moment. */
let api: TestApi;
beforeEach(async () => {
  api = await startApi({ MAX_QUEUE_DEPTH: '8', MAX_ACCOUNT_QUEUE_DEPTH: '5' });
});
afterEach(() => api.close());

const submit = (fields: object = {}, headers: Record<string, string> = {}) =>
  api.post('/v1/jobs', { operation: 'generation', input: { model: LANE, prompt: 'a cat' }, ...fields }, headers);
const asOther = { authorization: `Bearer ${OTHER_KEY}` };
const placeOf = ({ json }: Answer) => [json.queue_position, json.expected_wait_seconds];
const read = async (id: string) => api.ask(`/v1/jobs/${id}`);

async function tellLimit(imagesPerMinute: number): Promise<void> {
  const told = JSON.stringify({ [LANE]: { images_per_minute: imagesPerMinute, burst_seconds: 5 } });
  await api.deps.redis.hset(api.deps.keys.upstreamKey('default'), { told });
}

/** As the feeder opens one, for a third account. */
async function openBatchJob(calls: number): Promise<void> {
  const { redis, keys, submit: deps } = api.deps;
  await redis.hset(keys.batch('batch_1'), 'status', 'in_progress');
  const images = Array.from({ length: calls }, (_, index) => [index]);
  const spec = { ...TEST_SPEC, account: 'archive', model: LANE, lane: LANE, batchId: 'batch_1', calls: images };
  expect(await createJob(deps.steps, newJobId(), spec, null)).toMatchObject({ kind: 'created' });
}

describe('a job in line', () => {
  it('says how many calls go first, in every reply, and moves up', async () => {
    const answers = [await submit(), await submit(), await submit()];
    expect(answers.map(({ json }) => json.queue_position)).toEqual([0, 1, 2]);
    const [first, second, third] = answers.map(({ json }) => json.id);
    expect(jobSchema.parse(answers[2]?.json)).toEqual(answers[2]?.json);
    expect((await read(third)).json.queue_position).toBe(2);
    const list = (await api.ask('/v1/jobs?limit=3')).json;
    expect(list.data.map((job: { queue_position: number }) => job.queue_position)).toEqual([2, 1, 0]);
    const cancelled = await api.post(`/v1/jobs/${first}/cancel`);
    expect(placeOf(cancelled)).toEqual([null, null]);
    expect([(await read(second)).json.queue_position, (await read(third)).json.queue_position]).toEqual([0, 1]);
    await completeJob(api.deps, second);
    expect(placeOf(await read(second))).toEqual([null, null]);
  });

  it('of high priority stands before what waits, and another account’s before the rest of a backlog', async () => {
    for (let i = 0; i < 4; i += 1) await submit();
    expect((await submit({ priority: 'high' })).json.queue_position).toBe(0);
    expect((await submit({}, asOther)).json.queue_position).toBeLessThanOrEqual(2);
  });

  it('expects to wait as long as the lane’s rate says, and tells when to ask again', async () => {
    const jobs = [await submit(), await submit(), await submit()];
    expect(placeOf(jobs[2] as Answer)).toEqual([2, null]);
    expect(jobs[2]?.headers.get('retry-after')).toBe('5');
    await tellLimit(6);
    const id = jobs[2]?.json.id;
    await expect.poll(async () => placeOf(await read(id)), SOON).toEqual([2, 20]);
    expect((await read(id)).headers.get('retry-after')).toBe('20');
    const next = await submit();
    expect([placeOf(next), next.headers.get('retry-after')]).toEqual([[3, 30], '30']);
    expect((await submit({ dry_run: true })).json.expected_wait_seconds).toBe(40);
  });

  it('waits for the end of a stop too, and nobody knows how long while every key is paused', async () => {
    const { redis, keys } = api.deps;
    const first = await submit();
    await tellLimit(60);
    await expect.poll(async () => placeOf(await read(first.json.id)), SOON).toEqual([0, 0]);
    const [seconds] = await redis.time();
    await redis.hset(keys.bucket('default', LANE), 'notBefore', (Number(seconds) + 600) * 1_000);
    const wait = async () => (await read(first.json.id)).json.expected_wait_seconds;
    await expect.poll(wait, SOON).toBeGreaterThan(590);
    const error = { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message: 'no' };
    await redis.hset(keys.upstreamKey('default'), { paused: JSON.stringify(error), pausedAt: Date.now() });
    await expect.poll(wait, SOON).toBeNull();
    expect((await read(first.json.id)).json.queue_position).toBe(0);
  });
});

describe('a lane', () => {
  it('full for one account takes another’s, and says which limit, how many, and when to come again', async () => {
    await tellLimit(6);
    for (let i = 0; i < 5; i += 1) expect((await submit()).status).toBe(202);
    const refused = await submit();
    expect([refused.status, refused.json.error.code]).toEqual([429, 'queue_full']);
    expect(refused.json.error.message).toContain('5 calls of your account');
    await expect.poll(async () => (await submit()).headers.get('retry-after'), SOON).toBe('10');
    expect((await submit({}, asOther)).status).toBe(202);
    // An account has the share of the lane it has now: five of six calls.
    await expect.poll(async () => (await submit()).headers.get('retry-after'), SOON).toBe('12');
  });

  it('full tells a job of several calls when all of them will find room', async () => {
    await tellLimit(6);
    const fanned = { input: { model: 'dall-e-3', prompt: 'a cat', n: 4 } };
    for (let i = 0; i < 5; i += 1) expect((await submit()).status).toBe(202);
    await expect.poll(async () => (await submit(fanned)).headers.get('retry-after'), SOON).toBe('40');
    expect((await submit()).headers.get('retry-after')).toBe('10');
  });

  it('full for all refuses everybody, retries and plans too; what batches have in it does not fill it', async () => {
    await openBatchJob(100);
    const first = (await submit()).json.id;
    await api.post(`/v1/jobs/${first}/cancel`);
    for (const who of [{}, asOther]) {
      for (let i = 0; i < 4; i += 1) expect((await submit({}, who)).status).toBe(202);
    }
    const refused = await submit({}, asOther);
    expect(refused.json.error.message).toMatch(/^8 calls for this model/);
    expect(refused.headers.get('retry-after')).toBe('30');
    const again = await api.post(`/v1/jobs/${first}/retry`);
    expect([again.status, again.json.error.code]).toEqual([429, 'queue_full']);
    expect((await read(first)).json).toMatchObject({ status: 'cancelled', run: 1 });
    await expect.poll(async () => (await submit({ dry_run: true })).status, SOON).toBe(429);
  });

  it('that is full takes no input images in', async () => {
    for (let i = 0; i < 5; i += 1) await submit();
    const input = { model: LANE, prompt: 'winter', images: [{ image_url: 'data:image/png;base64,AAAA' }] };
    // Whoever takes that image in finds that it is none.
    const edit = async () => (await submit({ operation: 'edit', input })).json.error.code;
    await expect.poll(edit, SOON).toBe('queue_full');
    const before = await api.deps.redis.zcard(api.deps.keys.inputs);
    expect(await edit()).toBe('queue_full');
    expect(await api.deps.redis.zcard(api.deps.keys.inputs)).toBe(before);
  });
});

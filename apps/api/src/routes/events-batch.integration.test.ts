import { newBatchId } from '@darkroom/shared/base/ids.ts';
import { createBatch, moveBatch } from '@darkroom/shared/batches/steps.ts';
import { createJob } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openEvents } from '../testing/event-source.ts';
import { completeJob } from '../testing/finish-job.ts';
import { GENERATION, OTHER_KEY, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const follow = (path: string, headers: Record<string, string> = {}) =>
  openEvents(`${api.url}${path}`, { authorization: `Bearer ${SHOP_KEY}`, ...headers });

async function newBatch(): Promise<string> {
  const id = newBatchId();
  const spec = {
    account: 'shop',
    endpoint: '/v1/images/generations',
    inputFileId: null,
    inputKey: 'none',
    completionWindow: '24h',
    windowMs: 86_400_000,
    onInvalid: 'reject',
    priority: 'low',
    metadata: { order: '42' },
    webhook: null,
  } as const;
  await createBatch(api.deps.batchSteps, id, spec, null);
  await moveBatch(api.deps.batchSteps, { id, run: 1 }, 'validating', 'in_progress');
  return id;
}

/** A job of the batch, like any other in all else. */
async function addJob(batchId: string, line: number): Promise<string> {
  const model = await readJob(api.deps.redis, api.deps.keys, (await api.post('/v1/jobs', GENERATION)).json.id);
  if (model === null) throw new Error('no job to copy');
  const id = `job_${batchId.slice('batch_'.length)}-${line}`;
  await createJob(api.deps.submit.steps, id, { ...model.spec, batchId, customId: `line-${line}` }, null);
  return id;
}

async function complete(batchId: string): Promise<void> {
  await moveBatch(api.deps.batchSteps, { id: batchId, run: 1 }, 'in_progress', 'finalizing');
  await moveBatch(api.deps.batchSteps, { id: batchId, run: 1 }, 'finalizing', 'completed');
}

it('follows a batch and its jobs alone, to the end of the batch', async () => {
  const [id, other] = [await newBatch(), await newBatch()];
  const jobs = [await addJob(id, 1), await addJob(id, 2)];
  const foreign = await addJob(other, 1);
  const stream = await follow(`/v1/batches/${id}/events`);
  const [snapshot] = await stream.take(1);
  expect(snapshot?.json).toMatchObject({ type: 'snapshot', data: { id, object: 'batch', status: 'in_progress' } });
  for (const job of [jobs[0] ?? '', foreign, jobs[1] ?? '']) await completeJob(api.deps, job);
  await complete(other);
  await complete(id);
  const events = (await stream.ended).slice(1);
  expect(events.map(({ type, json }) => [type, json.data.job_id ?? json.data.id])).toEqual([
    ...jobs.flatMap((job) => [
      ['image.completed', job],
      ['job.completed', job],
    ]),
    ['batch.completed', id],
  ]);
  expect(events.at(-1)?.json).toMatchObject({
    id: `evt_${id.slice(6)}_1`,
    data: { object: 'batch', status: 'completed' },
  });

  const replay = await follow(`/v1/batches/${id}/events`, { 'last-event-id': events[1]?.id ?? '' });
  expect((await replay.ended).map(({ json }) => json.id)).toEqual(events.slice(2).map(({ json }) => json.id));
  const over = await follow(`/v1/batches/${id}/events`, { 'last-event-id': stream.lastEventId });
  expect(over.status).toBe(204);
  const late = await follow(`/v1/batches/${id}/events`);
  expect((await late.ended).map(({ type }) => type)).toEqual(['snapshot', 'batch.completed']);
});

it('is part of the account, by batch and by metadata too', async () => {
  const id = await newBatch();
  const streams = [await follow(`/v1/events?batch_id=${id}`), await follow('/v1/events?metadata[order]=42')];
  await Promise.all(streams.map((stream) => stream.take(1)));
  await complete(id);
  for (const stream of streams) {
    expect((await stream.take(2))[1]).toMatchObject({ type: 'batch.completed', json: { data: { id } } });
    stream.close();
  }
});

it("shows another account's batch as a missing one", async () => {
  const reply = await follow(`/v1/batches/${await newBatch()}/events`, { authorization: `Bearer ${OTHER_KEY}` });
  expect([reply.status, JSON.parse(reply.text).error.code]).toEqual([404, 'not_found']);
});

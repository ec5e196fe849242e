import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventSourceForTests, openEvents } from '../testing/event-source.ts';
import { completeJob, failJob } from '../testing/finish-job.ts';
import { GENERATION, OTHER_KEY, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
const opened: EventSourceForTests[] = [];
beforeAll(async () => {
  api = await startApi();
});
afterAll(async () => {
  for (const stream of opened) stream.close();
  await api.close();
});

async function submit(extra: object = {}, key = SHOP_KEY): Promise<string> {
  const { json } = await api.post('/v1/jobs', { ...GENERATION, ...extra }, { authorization: `Bearer ${key}` });
  return json.id;
}

async function follow(path: string, headers: Record<string, string> = {}, on: TestApi = api) {
  const stream = await openEvents(`${on.url}${path}`, { authorization: `Bearer ${SHOP_KEY}`, ...headers });
  opened.push(stream);
  return stream;
}

const typesOf = (events: EventSourceForTests['events']) => events.map(({ type }) => type);

describe('GET /v1/jobs/{id}/events', () => {
  it('begins with a snapshot, tells what happens as it happens, and ends after the end', async () => {
    const id = await submit({ input: { ...GENERATION.input, n: 2 } });
    const stream = await follow(`/v1/jobs/${id}/events`);
    const [snapshot] = await stream.take(1);
    expect(snapshot).toMatchObject({
      type: 'snapshot',
      json: {
        id: null,
        object: 'event',
        type: 'snapshot',
        sequence: 0,
        reason: 'connected',
        data: { id, status: 'queued' },
      },
    });
    await completeJob(api.deps, id);
    const events = await stream.ended;
    expect(typesOf(events)).toEqual(['snapshot', 'image.completed', 'image.completed', 'job.completed']);
    expect(events.map(({ json }) => json.sequence)).toEqual([0, 1, 2, 3]);
    expect(events[1]?.json).toMatchObject({
      id: `evt_${id.slice(4)}_1`,
      object: 'event',
      type: 'image.completed',
      data: { id: `img_${id.slice(4)}_0`, index: 0, job_id: id, url: expect.stringContaining('/content?exp=') },
    });
    expect(events[3]?.json).toMatchObject({ type: 'job.completed', data: { id, object: 'job', status: 'completed' } });
    expect(events[3]?.json.data.images).toHaveLength(2);
    for (const { json } of events) {
      expect(json.data.input).toBeUndefined();
      expect(JSON.stringify(json)).not.toContain('revised_prompt');
      expect(json.created_at).toBeCloseTo(Date.now() / 1_000, -2);
    }
  });

  it('is told with headers that keep proxies from holding it back, and with a time to come back', async () => {
    const stream = await follow(`/v1/jobs/${await submit()}/events`);
    await stream.take(1);
    expect(stream.status).toBe(200);
    expect(Object.fromEntries(stream.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      connection: 'keep-alive',
      'x-request-id': expect.stringMatching(/^req_/),
    });
    expect(stream.retry).toBeGreaterThanOrEqual(1_000);
    stream.close();
  });

  it.each([
    ['completed', completeJob],
    ['failed', failJob],
  ])('tells a job that %s before as a snapshot and its end, and ends', async (status, finish) => {
    const id = await submit();
    await finish(api.deps, id);
    const stream = await follow(`/v1/jobs/${id}/events`);
    const events = await stream.ended;
    expect(typesOf(events)).toEqual(['snapshot', `job.${status}`]);
    for (const { json } of events) expect(json.data).toMatchObject({ id, status });
    expect(events[1]?.json.id).toBe(`evt_${id.slice(4)}_${events[1]?.json.sequence}`);
    const fromSnapshot = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': events[0]?.id ?? '' });
    // Not to the letter: links are signed anew, and may be of another second.
    expect((await fromSnapshot.ended).map(({ id: at, json }) => [at, json.id])).toEqual([
      [events[1]?.id, events[1]?.json.id],
    ]);
  });

  it('answers 204 to a client that has seen the end, so that it stops coming back', async () => {
    const id = await submit();
    await completeJob(api.deps, id);
    const stream = await follow(`/v1/jobs/${id}/events`);
    await stream.ended;
    const again = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': stream.lastEventId });
    expect([again.status, again.text]).toEqual([204, '']);
  });

  it('goes on through a retry and ends with the end of the new run', async () => {
    const id = await submit();
    const before = await follow(`/v1/jobs/${id}/events`);
    await before.take(1);
    await failJob(api.deps, id);
    await before.ended;
    expect((await api.post(`/v1/jobs/${id}/retry`)).status).toBe(202);
    const after = await follow(`/v1/jobs/${id}/events`, { 'last-event-id': before.events[0]?.id ?? '' });
    expect(typesOf(await after.take(2))).toEqual(['job.failed', 'job.queued']);
    await completeJob(api.deps, id);
    expect(typesOf(await after.ended)).toEqual(['job.failed', 'job.queued', 'image.completed', 'job.completed']);
  });

  it('is not concerned with other jobs', async () => {
    const [id, other] = [await submit(), await submit()];
    const stream = await follow(`/v1/jobs/${id}/events`);
    const all = await follow('/v1/events');
    await Promise.all([stream.take(1), all.take(1)]);
    await completeJob(api.deps, other);
    await all.take(3);
    await completeJob(api.deps, id);
    const events = await stream.ended;
    expect(typesOf(events)).toEqual(['snapshot', 'image.completed', 'job.completed']);
    expect(events.at(-1)?.json.data.id).toBe(id);
    all.close();
  });

  it('tells a cancel', async () => {
    const id = await submit();
    const stream = await follow(`/v1/jobs/${id}/events`);
    await stream.take(1);
    await api.post(`/v1/jobs/${id}/cancel`);
    expect(typesOf(await stream.ended)).toEqual(['snapshot', 'job.cancelled']);
  });
});

describe('GET /v1/events', () => {
  it('tells what happens to all jobs of the account alone, in order', async () => {
    const stream = await follow('/v1/events');
    const [snapshot] = await stream.take(1);
    expect(snapshot?.json.data.object).toBe('list');
    expect(snapshot?.json.data.data[0]).not.toHaveProperty('input');
    const theirs = await submit({}, OTHER_KEY);
    await completeJob(api.deps, theirs);
    const ids = [await submit(), await submit(), await submit()];
    for (const id of ids) await completeJob(api.deps, id);
    const events = (await stream.take(7)).slice(1);
    expect(typesOf(events)).toEqual(ids.flatMap(() => ['image.completed', 'job.completed']));
    expect(events.map(({ json }) => json.data.job_id ?? json.data.id)).toEqual(ids.flatMap((id) => [id, id]));
    expect(stream.events.map(({ id }) => id)).toEqual(stream.events.map(({ id }) => id).toSorted(byPosition));
    stream.close();
  });

  it('lets through what its filters name', async () => {
    const [ofMetadata, ofTypes, ofJob] = [
      await follow('/v1/events?metadata[order]=42'),
      await follow('/v1/events?types=job.completed,job.failed'),
      await follow(`/v1/events?job_id=${await submit()}&types=image.completed`),
    ];
    await Promise.all([ofMetadata, ofTypes, ofJob].map((stream) => stream.take(1)));
    const watched = ofJob.events[0]?.json.data.data[0].id;
    const marked = await submit({ metadata: { order: '42', x: 'y' } });
    for (const id of [await submit({ metadata: { order: '43' } }), marked, watched]) await completeJob(api.deps, id);
    expect((await ofMetadata.take(3)).map(({ json }) => json.data.job_id ?? json.data.id ?? 'snapshot')).toEqual([
      'snapshot',
      marked,
      marked,
    ]);
    expect(typesOf(await ofTypes.take(4))).toEqual(['snapshot', 'job.completed', 'job.completed', 'job.completed']);
    expect((await ofJob.take(2))[1]?.json.data.job_id).toBe(watched);
    expect(ofJob.events).toHaveLength(2);
    for (const stream of [ofMetadata, ofTypes, ofJob]) stream.close();
  });
});

describe('a refused stream', () => {
  it.each([
    ['/v1/events?types=job.complete', 'types', "did you mean 'job.completed'?"],
    ['/v1/events?types=nonsense', 'types', 'it must be a list of'],
    ['/v1/events?job_id=x', 'job_id', 'the id of a job'],
    ['/v1/events?batch_id=x', 'batch_id', 'the id of a batch'],
    ['/v1/events?type=job.failed', 'type', "Did you mean 'types'?"],
    ['/v1/events?last_event_id=x', 'last_event_id', 'the id of an event'],
    ['/v1/events?last_event_id=', 'last_event_id', 'the id of an event'],
    ['/v1/events?last_event_id=1-2-3', 'last_event_id', 'the id of an event'],
  ])('%s names %s', async (path, param, says) => {
    const { status, json } = await api.ask(path);
    expect([status, json.error.param]).toEqual([400, param]);
    expect(json.error.message).toContain(says);
  });

  it('names all problems', async () => {
    const { json } = await api.ask('/v1/events?types=a,b&job_id=x');
    expect(json.error.details).toHaveLength(3);
  });

  it('is told an unusable Last-Event-ID', async () => {
    const { status, json } = await api.ask(`/v1/jobs/${await submit()}/events`, {
      headers: { 'last-event-id': 'evt_1' },
    });
    expect([status, json.error.code, json.error.param]).toEqual([400, 'invalid_value', 'Last-Event-ID']);
  });

  it("shows another account's job exactly as a missing one", async () => {
    const id = await submit({}, OTHER_KEY);
    const theirs = await api.ask(`/v1/jobs/${id}/events`);
    const missing = await api.ask('/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n/events');
    expect([theirs.status, missing.status]).toEqual([404, 404]);
    expect(theirs.text.replace(id, 'ID')).toBe(missing.text.replace('job_01kb4xwqf7c0v3m8r5y2d9tz6n', 'ID'));
  });

  it('needs a key, and GET', async () => {
    expect((await api.ask('/v1/events', { headers: { authorization: 'Bearer dk_wrong' } })).status).toBe(401);
    const head = await api.ask('/v1/events', { method: 'HEAD' });
    expect([head.status, head.headers.get('allow')]).toEqual([405, 'GET']);
  });

  it('leaves no place taken', async () => {
    await expect.poll(async () => (await api.deps.metrics.eventStreamsOpen.get()).values[0]?.value).toBe(0);
  });
});

function byPosition(a: string, b: string): number {
  const [aMs = 0, aSeq = 0] = a.split('-').map(Number);
  const [bMs = 0, bSeq = 0] = b.split('-').map(Number);
  return aMs - bMs || aSeq - bSeq;
}

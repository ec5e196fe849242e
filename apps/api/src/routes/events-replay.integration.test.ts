import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EventSourceForTests, openEvents, type SeenEvent } from '../testing/event-source.ts';
import { completeJob, failJob } from '../testing/finish-job.ts';
import { makeEvents } from '../testing/make-events.ts';
import { GENERATION, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
/** A second process in all but name: its own connections, on the same Redis. */
let second: TestApi;
beforeAll(async () => {
  api = await startApi();
  second = await startApi({}, { ...api.redis, close: async () => undefined });
});
afterAll(async () => {
  await second.close();
  await api.close();
});

async function submit(): Promise<string> {
  return (await api.post('/v1/jobs', GENERATION)).json.id;
}

function follow(path: string, lastEventId?: string, on = api): Promise<EventSourceForTests> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
  return openEvents(`${on.url}${path}`, { authorization: `Bearer ${SHOP_KEY}`, ...headers });
}

/** What an event says happened; its data is the newest state. */
const whatHappened = ({ id, json }: SeenEvent) => [
  id,
  json.id,
  json.type,
  json.sequence,
  json.data.job_id ?? json.data.id,
];

/** Three jobs that complete, one that fails, is tried again and completes: 2 × 3 + 1 + 1 + 2 events. */
async function makeHistory(): Promise<void> {
  const ids = await Promise.all([submit(), submit(), submit()]);
  await Promise.all(ids.map((id) => completeJob(api.deps, id)));
  const failing = await submit();
  await failJob(api.deps, failing);
  await api.post(`/v1/jobs/${failing}/retry`);
  await completeJob(api.deps, failing);
}
const HISTORY_EVENTS = 10;

describe('a stream that goes on after an event', () => {
  it('is what the uninterrupted one was from there on, for every event, at any process', async () => {
    const whole = await follow('/v1/events');
    await whole.take(1);
    await makeHistory();
    const events = await whole.take(1 + HISTORY_EVENTS);
    whole.close();
    for (const [index, { id }] of events.entries()) {
      const rest = events.slice(index + 1).map(whatHappened);
      const stream = await follow('/v1/events', id, index % 2 === 0 ? api : second);
      expect((await stream.take(rest.length)).map(whatHappened)).toEqual(rest);
      stream.close();
    }
  });

  it('misses and doubles nothing while events keep coming and others join', async () => {
    const whole = await follow('/v1/events');
    const begin = (await whole.take(1))[0]?.id ?? '';
    const joined: Promise<EventSourceForTests>[] = [];
    for (let round = 0; round < 6; round += 1) {
      const making = makeHistory();
      const ids = whole.events.map(({ id }) => id);
      joined.push(
        ...[begin, ids.at(-1) ?? begin, ids.at(ids.length / 2) ?? begin].map((id) =>
          follow('/v1/events', id, round % 2 === 0 ? api : second),
        ),
      );
      await making;
    }
    const all = (await whole.take(1 + 6 * HISTORY_EVENTS)).map(whatHappened);
    expect(new Set(all.map(String)).size).toBe(all.length);
    for (const stream of await Promise.all(joined)) {
      const [first] = await stream.take(1);
      const from = all.findIndex(([id]) => id === first?.id);
      const rest = all.slice(from);
      expect((await stream.take(rest.length)).map(whatHappened)).toEqual(rest);
      stream.close();
    }
    whole.close();
  });

  it('is found by its parameter too, and the header wins', async () => {
    const whole = await follow('/v1/events');
    await whole.take(1);
    await makeHistory();
    const [, first, , third, fourth] = await whole.take(5);
    whole.close();
    const stream = await follow(`/v1/events?last_event_id=${third?.id}`);
    expect((await stream.take(1))[0]?.id).toBe(fourth?.id);
    stream.close();
    const both = await follow(`/v1/events?last_event_id=${first?.id}`, third?.id);
    expect((await both.take(1))[0]?.id).toBe(fourth?.id);
    both.close();
  });

  it('goes through more than one page, and is live after it', async () => {
    const id = await submit();
    const watcher = await follow('/v1/events?types=job.in_progress');
    const begin = (await watcher.take(1))[0]?.id;
    await makeEvents(api.deps, {
      account: 'shop',
      jobId: id,
      type: 'job.in_progress',
      status: 'in_progress',
      count: 350,
    });
    const live = await watcher.take(351);
    watcher.close();
    const stream = await follow(`/v1/jobs/${id}/events`, begin, second);
    expect((await stream.take(350)).map(({ id: seen }) => seen)).toEqual(live.slice(1).map(({ id: seen }) => seen));
    await completeJob(api.deps, id);
    expect((await stream.ended).at(-1)?.type).toBe('job.completed');
    expect(stream.events).toHaveLength(352);
  });

  it('tells from the first event on after 0-0', async () => {
    const stream = await follow('/v1/events', '0-0');
    const [first] = await stream.take(1);
    expect(first?.id).toBe(
      (await api.deps.redis.xrange(api.deps.keys.accountEvents('shop'), '-', '+', 'COUNT', 1))[0]?.[0],
    );
    stream.close();
  });
});

describe('events that are gone', () => {
  it.each(['/v1/events', 'job'])('are stood for by a snapshot that says so: %s', async (path) => {
    const id = await submit();
    const url = path === 'job' ? `/v1/jobs/${id}/events` : path;
    const before = await follow(url);
    const seen = (await before.take(1))[0]?.id;
    before.close();
    await makeHistory();
    await api.deps.redis.xtrim(api.deps.keys.accountEvents('shop'), 'MAXLEN', 3);
    const stream = await follow(url, seen, second);
    const [snapshot] = await stream.take(1);
    expect([snapshot?.type, snapshot?.json.reason]).toEqual(['snapshot', 'events_lost']);
    await completeJob(api.deps, id);
    expect((await stream.take(3)).slice(1).map(({ type }) => type)).toEqual(['image.completed', 'job.completed']);
    stream.close();
    const [oldest] = await api.deps.redis.xrange(api.deps.keys.accountEvents('shop'), '-', '+', 'COUNT', 1);
    const kept = await follow('/v1/events', oldest?.[0]);
    expect((await kept.take(1))[0]?.type).not.toBe('snapshot');
    kept.close();
  });

  it('are those of a Redis that lost them, too', async () => {
    const stream = await follow('/v1/events', `${Date.now() + 86_400_000}-0`);
    expect((await stream.take(1))[0]?.json.reason).toBe('events_lost');
    await completeJob(api.deps, await submit());
    expect((await stream.take(3))[2]?.type).toBe('job.completed');
    stream.close();
  });

  it('are left out when their job is deleted', async () => {
    const [deleted, kept] = [await submit(), await submit()];
    const stream = await follow('/v1/events');
    const begin = (await stream.take(1))[0]?.id;
    for (const id of [deleted, kept]) await completeJob(api.deps, id);
    await stream.take(5);
    stream.close();
    await api.deps.redis.del(api.deps.keys.job(deleted));
    const replay = await follow('/v1/events', begin);
    expect((await replay.take(2)).map(({ json }) => json.data.job_id ?? json.data.id)).toEqual([kept, kept]);
    replay.close();
  });
});

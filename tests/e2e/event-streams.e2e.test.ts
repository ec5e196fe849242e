// Clients that wait, poll and stream while the API dies under them: each learns the end of its job by coming back.
import { openEvents } from '@darkroom/api/testing/event-source.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { hasEnded, type Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const CLIENTS_OF_A_KIND = 100;
const JOBS = 20;
const PATIENCE_MS = 60_000;

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack();
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

/** What a client has learned, and how often it had to come back. */
interface Learned {
  readonly status: string;
  readonly interruptions: number;
}

/** Asks again until the answer is an end; a broken connection is asked again too. */
async function learnByAsking(ask: () => Promise<Job>): Promise<Learned> {
  let interruptions = 0;
  const job = await until(
    'a client learns the end of its job',
    async () => {
      const seen = await ask().catch(() => null);
      if (seen === null) interruptions += 1;
      return seen !== null && hasEnded(seen) ? seen : null;
    },
    PATIENCE_MS,
  );
  return { status: job.status, interruptions };
}

const poll = (id: string): Promise<Learned> => learnByAsking(() => stack.api.job(id));

const longPoll = (id: string): Promise<Learned> =>
  learnByAsking(async () => (await stack.api.request('GET', `/v1/jobs/${id}?wait=60`)).json as Job);

/** Follows a job as an EventSource does: comes back with the last id it saw until the end is told. Fills `sequences`. */
async function stream(id: string, sequences: number[]): Promise<Learned> {
  let lastEventId = '';
  let interruptions = -1;
  const status = await until(
    'a stream tells the end of its job',
    async () => {
      const events = await openEvents(`${stack.api.url}/v1/jobs/${id}/events`, { 'last-event-id': lastEventId });
      interruptions += 1;
      await events.ended.catch(() => undefined); // the API was killed
      lastEventId = events.lastEventId || lastEventId;
      sequences.push(...events.events.map(({ json }) => json.sequence as number));
      return events.events.findLast(({ type }) => /^job\.(?!queued|in_progress)/.test(type))?.json.data
        .status as string;
    },
    PATIENCE_MS,
  );
  return { status, interruptions };
}

test('100 long polls, 100 polls and 100 streams each learn the end of their job though the API is killed and comes back', async () => {
  await stack.simulator.fault('latency', { params: { ms: 3_000 } });
  const jobs = await Promise.all(Array.from({ length: JOBS }, () => stack.api.submit({ n: 2 })));
  const idOf = (client: number): string => jobs[client % JOBS]?.id ?? '';
  const clients = Array.from({ length: CLIENTS_OF_A_KIND }, (_, client) => idOf(client));
  const sequences = clients.map((): number[] => []);
  const learning = [
    ...clients.map((id, client) => stream(id, sequences[client] ?? [])),
    ...clients.map(longPoll),
    ...clients.map(poll),
  ];
  await until('the streams are open and upstream is at work', async () => {
    const { text } = await stack.api.request('GET', '/metrics');
    const open = Number(/^darkroom_event_streams_open (\d+)$/m.exec(text)?.[1]);
    return open === CLIENTS_OF_A_KIND && (await stack.simulator.stats()).inFlight > 0;
  });
  await stack.stack.api.kill();
  await until('a job ends while there is no API', async () => (await stack.simulator.ledger()).images.length > 0);
  await stack.stack.restartApi();
  const learned = await Promise.all(learning);
  expect(learned.map(({ status }) => status)).toEqual(learned.map(() => 'completed'));
  const streams = learned.slice(0, CLIENTS_OF_A_KIND);
  // Broken off once, by the kill; some came back before anyone listened again, which `until` does not count as a stream.
  expect(new Set(streams.map(({ interruptions }) => interruptions))).toEqual(new Set([1]));
  // The snapshot tells how many events it stands for; from there on none is missed and none comes twice.
  for (const [first = 0, ...rest] of sequences) expect(rest).toEqual(rest.map((_, index) => first + 1 + index));
  say(`300 clients of ${JOBS} jobs learned their end; the API was away in between`);
});

test('an API that is asked to stop ends its streams at once, and they go on at another one', async () => {
  const second = await stack.addApi();
  await stack.simulator.fault('latency', { params: { ms: 2_000 } });
  const { id } = await stack.api.submit();
  const streams = await Promise.all(
    Array.from({ length: 50 }, () => openEvents(`${stack.api.url}/v1/jobs/${id}/events`)),
  );
  await Promise.all(streams.map((events) => events.take(1)));
  const stoppedAt = performance.now();
  await stack.stack.api.stop();
  await Promise.all(streams.map((events) => events.ended));
  const stoppingMs = performance.now() - stoppedAt;
  expect(stoppingMs).toBeLessThan(3_000);
  const rest = await Promise.all(
    streams.map(({ lastEventId }) =>
      openEvents(`${second.url}/v1/jobs/${id}/events`, { 'last-event-id': lastEventId }),
    ),
  );
  for (const events of rest) expect((await events.ended).at(-1)?.type).toBe('job.completed');
  for (const events of rest) expect(events.events.map(({ type }) => type)).not.toContain('snapshot');
  await stack.stack.restartApi();
  say(`an API with 50 open streams stopped within ${Math.round(stoppingMs)} ms`);
});

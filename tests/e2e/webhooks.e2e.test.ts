// Webhooks over real processes: every end of a job is heard at least once, however the worker dies, under one id.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hasEnded, type Job } from '../support/api.ts';
import { type HookEvent, type Hooks, startHooks } from '../support/hooks.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const LATE_MS = 40_000;

interface Delivery {
  readonly id: string;
  readonly job_id: string;
  readonly state: string;
  readonly attempt_count: number;
  readonly attempts: readonly { status: number | null; error: string | null }[];
}

let stack: TestStack;
let hooks: Hooks;
beforeAll(async () => {
  hooks = await startHooks(SECRET);
  stack = await startTestStack({
    env: {
      ALLOW_PRIVATE_URLS: '127.0.0.1',
      WEBHOOK_SECRET: SECRET,
      LOCK_DURATION_MS: '2000',
      SHUTDOWN_TIMEOUT_MS: '10000',
    },
  });
});
beforeEach(() => stack.reset());
afterAll(async () => {
  await stack.stop();
  await hooks.stop();
});

async function submit(events?: readonly string[]): Promise<Job> {
  return stack.api.submit({}, { webhook: { url: hooks.url, ...(events === undefined ? {} : { events }) } });
}

/** The event that tells the end of a job, once it is there. */
function heard(job: Pick<Job, 'id'>, timeoutMs = LATE_MS): Promise<HookEvent> {
  return until(
    `the end of ${job.id} is heard`,
    async () =>
      [...(await hooks.events()).values()].find(({ data, type }) => data.id === job.id && type.startsWith('job.')),
    timeoutMs,
  );
}

async function timesReceived(eventId: string): Promise<number> {
  return (await hooks.received()).filter(({ headers }) => headers['webhook-id'] === eventId).length;
}

async function deliveries(query: string): Promise<readonly Delivery[]> {
  return (await stack.openai.get<{ data: Delivery[] }>(`/webhook_deliveries?${query}`)).data;
}

function delivered(job: Job): Promise<Delivery> {
  return until(
    `${job.id} is delivered`,
    async () => (await deliveries(`job_id=${job.id}&state=delivered`))[0],
    LATE_MS,
  );
}

test('a job ends and its caller hears of it, within a moment, thin and signed', async () => {
  const job = await submit();
  const ended = await stack.api.ended(job.id);
  const event = await heard(job);
  expect(event).toMatchObject({ object: 'event', type: 'job.completed', data: { object: 'job', status: 'completed' } });
  expect(event.data['images']).toHaveLength(1);
  expect(event.data['usage']).toEqual(ended.usage);
  expect(event.data).not.toHaveProperty('input');
  expect((await delivered(job)).attempts).toMatchObject([{ status: 200, error: null }]);
  const [link] = event.data['images'] as { url: string }[];
  expect((await stack.api.bytes(link ?? { url: '' })).length).toBe(ended.images[0]?.bytes);
});

test('a job that fails, is cancelled or retried is told each time', async () => {
  await stack.simulator.fault('moderation_input', { count: 1 });
  const failed = await submit();
  expect((await heard(failed)).type).toBe('job.failed');
  await stack.api.retry(failed.id);
  await until('its retry is heard', async () =>
    [...(await hooks.events()).values()].some(({ data, type }) => data.id === failed.id && type === 'job.completed'),
  );
  await stack.simulator.fault('latency', { params: { ms: 1_500 } });
  const slow = await Promise.all(Array.from({ length: 25 }, () => submit())); // more than a worker's places
  await Promise.all(slow.map(({ id }) => stack.api.cancel(id)));
  const ends = await Promise.all(slow.map((job) => heard(job)));
  expect(ends.map(({ type }) => type)).toContain('job.cancelled');
});

test('an event can be sent again, under the same id', async () => {
  const job = await submit();
  const { id } = await heard(job);
  await delivered(job);
  const again = await stack.api.request('POST', `/v1/webhook_deliveries/${id}/redeliver`);
  expect([again.status, again.json]).toMatchObject([202, { id, state: 'pending', object: 'webhook_delivery' }]);
  await until('it came again', async () => (await timesReceived(id)) === 2);
  expect((await delivered(job)).attempt_count).toBe(2);
});

describe('SIGTERM', () => {
  test('lets the try under way finish and record itself', async () => {
    await hooks.behave({ delayMs: 700, count: 1 });
    const before = (await hooks.received()).length;
    const job = await submit();
    await until('the try is under way', async () => (await hooks.received()).length > before);
    await stack.worker.stop();
    expect(await stack.worker.exited).toEqual({ code: 0, signal: null });
    const { id } = await heard(job);
    expect(await deliveries(`job_id=${job.id}`)).toMatchObject([{ state: 'delivered', attempt_count: 1 }]);
    await stack.stack.addWorker();
    expect(await timesReceived(id)).toBe(1);
  });
});

describe('kill -9', () => {
  test('right after the job has ended loses no event', async () => {
    for (let round = 0; round < 3; round += 1) {
      const job = await submit();
      await until('it ends', async () => hasEnded(await stack.api.job(job.id)));
      await stack.killWorkers();
      await stack.stack.addWorker();
      expect((await heard(job)).type).toBe('job.completed');
      await delivered(job);
    }
  });

  test('in the middle of a delivery sends it again: same id, same body, and the log knows', async () => {
    await hooks.behave({ hang: true, count: 1 });
    const before = (await hooks.received()).length;
    const job = await submit();
    await until('the try is under way', async () => (await hooks.received()).length > before);
    await stack.killWorkers();
    await stack.stack.addWorker();
    const startedAt = Date.now();
    const delivery = await delivered(job);
    say(`sent again ${Date.now() - startedAt} ms after the next worker was up`);
    expect(delivery.attempts).toMatchObject([
      { status: null, error: 'worker_lost' },
      { status: 200, error: null },
    ]);
    expect(await timesReceived(delivery.id)).toBe(2);
    expect((await hooks.events()).get(delivery.id)?.data.id).toBe(job.id);
  });

  test('again and again at any moment: each of sixty jobs is heard, repeats only under the same id', async () => {
    await stack.simulator.fault('latency', { params: { ms: 30 } });
    await hooks.behave({ delayMs: 20, count: 500 });
    const jobs = await Promise.all(Array.from({ length: 60 }, () => submit()));
    for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const ids = new Set(jobs.map(({ id }) => id));
      await until(
        `${share * 100} % are heard`,
        async () => {
          const events = [...(await hooks.events()).values()];
          return events.filter(({ data }) => ids.has(data.id)).length >= share * jobs.length;
        },
        LATE_MS,
      );
      await stack.killWorkers();
      await stack.stack.addWorker();
    }
    const ends = await Promise.all(jobs.map((job) => heard(job)));
    expect(new Set(ends.map(({ id }) => id)).size).toBe(jobs.length);
    const all = [...(await hooks.events()).values()].filter(({ data }) => jobs.some(({ id }) => id === data.id));
    expect(all).toHaveLength(jobs.length);
    const times = await Promise.all(ends.map(({ id }) => timesReceived(id)));
    say(`60 ends heard over five kills, ${times.filter((count) => count > 1).length} of them more than once`);
  });
});

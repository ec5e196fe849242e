// The upstream's limits, told and untold, under load from two workers: full use of the quota, (nearly) no 429, and never
// more calls under way than allowed. The simulator counts.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import type { LedgerRequest } from '../support/simulator.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ workers: 0 });
});
beforeEach(() => stack.reset());
afterAll(() => stack.stop());

/** Bytes are not what these tests are about. */
const SMALL = { output_format: 'jpeg', output_compression: 10 };

type Limits = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Two workers with these limits told. */
async function useWorkers(told: Limits, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const all = { LIMITS: JSON.stringify(told), ...env };
  await stack.replaceWorkers(all);
  await stack.stack.addWorker(all);
}

async function allEnd(jobs: readonly Job[], timeoutMs = 60_000): Promise<void> {
  const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id, timeoutMs)));
  expect(ended.filter((job) => job.status !== 'completed')).toEqual([]);
}

function submitMany(count: number, input: (index: number) => Record<string, unknown>): Promise<Job[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => stack.api.submit(input(index))));
}

/** The most images by which the requests ever ran ahead of an even rate with this burst; a busy machine bunches a few. */
function mostAhead(requests: readonly LedgerRequest[], perMinute: number, burst: number): number {
  const sent = requests.toSorted((a, b) => a.at - b.at);
  let most = Number.NEGATIVE_INFINITY;
  for (const [first, start] of sent.entries()) {
    let images = 0;
    for (const row of sent.slice(first)) {
      images += row.n ?? 0;
      most = Math.max(most, images - burst - ((row.at - start.at) * perMinute) / 60_000);
    }
  }
  return most;
}

function spanMs(requests: readonly LedgerRequest[]): number {
  return Math.max(...requests.map((row) => row.at)) - Math.min(...requests.map((row) => row.at));
}

/** Empties the simulator's bucket but for `left` images, so that only an even rate gets by. */
async function drain(model: string, perMinute: number, left: number): Promise<void> {
  await stack.simulator.settings({ limits: { [model]: { images_per_minute: perMinute } } });
  for (let over = perMinute - left; over > 0; over -= 10) {
    const reply = await fetch(`${stack.simulator.url}/v1/images/generations`, {
      method: 'POST',
      headers: { authorization: 'Bearer sk-drain', 'content-type': 'application/json' },
      body: JSON.stringify({ model, prompt: 'drain', quality: 'low', size: '1024x1024', n: Math.min(10, over) }),
    });
    expect(reply.status).toBe(200);
    await reply.arrayBuffer();
  }
  await fetch(`${stack.simulator.url}/_sim/ledger`, { method: 'DELETE' });
}

describe('images a minute', () => {
  test('told and with a burst: 40 images by two workers, an even rate, not one 429', async () => {
    const perMinute = 480;
    await useWorkers({ 'gpt-image-2': { images_per_minute: perMinute, burst_seconds: 1 } });
    // 8 images of burst and eight a second; the upstream has 14 in stock and makes as many.
    await drain('gpt-image-2', perMinute, 14);
    await allEnd(await submitMany(28, (index) => ({ n: index < 12 ? 2 : 1 })));
    const { requests, images } = await stack.simulator.ledger();
    const { rejected429 } = await stack.simulator.stats();
    expect(images).toHaveLength(40);
    expect(rejected429).toBe(0);
    expect(mostAhead(requests, perMinute, 8)).toBeLessThan(4);
    const ideal = ((40 - 8) * 60_000) / perMinute;
    say(`told 480/min: 40 images in ${spanMs(requests)} ms (ideal ${ideal} ms), ${rejected429} x 429`);
    expect(spanMs(requests)).toBeLessThan(ideal * 1.5);
  });

  test('told for the family: both of its models share it', async () => {
    const perMinute = 240;
    await useWorkers({ 'gpt-image-2.6': { images_per_minute: perMinute, burst_seconds: 1 } });
    const models = ['gpt-image-2.6-flare', 'gpt-image-2.6-sunburst'];
    await allEnd(await submitMany(20, (index) => ({ model: models[index % 2] })));
    const { requests } = await stack.simulator.ledger();
    expect(mostAhead(requests, perMinute, 4)).toBeLessThan(3);
  });

  test('a storm against limits nobody told: all complete, 429s stay few', async () => {
    await useWorkers({});
    // 240 images at once and four a second from then on: 30 have to wait.
    await stack.simulator.settings({ limits: { 'gpt-image-2': { images_per_minute: 240 } } });
    await allEnd(await submitMany(27, () => ({ n: 10, ...SMALL })));
    const { requests, images } = await stack.simulator.ledger();
    const { rejected429 } = await stack.simulator.stats();
    say(`untold 240/min: 270 images in ${spanMs(requests)} ms, ${requests.length} requests, ${rejected429} x 429`);
    expect(images).toHaveLength(270);
    expect(rejected429).toBeLessThanOrEqual(10);
    expect(requests).toHaveLength(27 + rejected429);
  });

  test('a storm against a limit that was told: an even rate from the start', async () => {
    await useWorkers({ 'gpt-image-2': { images_per_minute: 600 } });
    await allEnd(await submitMany(12, () => ({ n: 10, ...SMALL })));
    const { requests, images } = await stack.simulator.ledger();
    const { rejected429 } = await stack.simulator.stats();
    say(`told 600/min: 120 images in ${spanMs(requests)} ms, ${rejected429} x 429`);
    expect(images).toHaveLength(120);
    expect(rejected429).toBe(0);
    expect(mostAhead(requests, 600, 50)).toBeLessThan(11);
  });

  test('requests a minute that are told are kept as well', async () => {
    await useWorkers({ 'gpt-image-2': { requests_per_minute: 300, burst_seconds: 0 } });
    await allEnd(await submitMany(12, () => ({})));
    const { requests } = await stack.simulator.ledger();
    expect(requests).toHaveLength(12);
    expect(mostAhead(requests, 300, 1)).toBeLessThan(3);
  });

  test('a call never carries more images than the told images a minute', async () => {
    await stack.stack.api.stop();
    await stack.stack.restartApi({ LIMITS: '{"gpt-image-2":{"images_per_minute":4}}' });
    const input = { model: 'gpt-image-2', prompt: 'a white siamese cat', n: 10 };
    const reply = await stack.api.request('POST', '/v1/jobs', {
      body: { operation: 'generation', input, dry_run: true },
    });
    const plan = reply.json as { calls: { images: number[] }[] };
    expect(plan.calls.map((call) => call.images.length)).toEqual([4, 4, 2]);
    await stack.stack.api.stop();
    await stack.stack.restartApi();
  });
});

describe('calls under way', () => {
  test('concurrency of 2 told: two workers together never have more than 2, and do have 2', async () => {
    await useWorkers({ 'gpt-image-2': { concurrency: 2 } });
    await stack.simulator.fault('latency', { params: { ms: 150 } });
    await allEnd(await submitMany(12, () => ({})));
    const stats = await stack.simulator.stats();
    const { requests } = await stack.simulator.ledger();
    say(`concurrency 2: 12 calls of 150 ms in ${spanMs(requests) + 150} ms (ideal 900 ms)`);
    expect(stats.maxInFlight).toBe(2);
  });

  test('concurrency told for a family holds for its models together', async () => {
    await useWorkers({ 'gpt-image-2.6': { concurrency: 1 } });
    await stack.simulator.fault('latency', { params: { ms: 100 } });
    const models = ['gpt-image-2.6-flare', 'gpt-image-2.6-sunburst'];
    await allEnd(await submitMany(6, (index) => ({ model: models[index % 2] })));
    expect((await stack.simulator.stats()).maxInFlight).toBe(1);
  });

  test('WORKER_CONCURRENCY=3 with 20 jobs on four models: never more than 3, and all are done', async () => {
    await stack.replaceWorkers({ WORKER_CONCURRENCY: '3' });
    await stack.simulator.fault('latency', { params: { ms: 200 } });
    const models = ['gpt-image-2', 'gpt-image-2.5-flare', 'gpt-image-2.5-sunburst', 'gpt-image-2.6-flare'];
    await allEnd(await submitMany(20, (index) => ({ model: models[index % 4] })));
    const stats = await stack.simulator.stats();
    const { requests } = await stack.simulator.ledger();
    say(`WORKER_CONCURRENCY=3: 20 calls of 200 ms in ${spanMs(requests) + 200} ms (ideal ${7 * 200} ms)`);
    expect(stats.maxInFlight).toBe(3);
    for (const model of models) expect(stats.maxInFlightByModel[model]).toBeGreaterThan(0);
  });

  test('a job of high priority overtakes those that wait', async () => {
    await stack.replaceWorkers({ WORKER_CONCURRENCY: '1' });
    await stack.simulator.fault('latency', { params: { ms: 150 } });
    const low = await Promise.all(Array.from({ length: 8 }, () => stack.api.submit({}, { priority: 'low' })));
    await until('the first is upstream', async () => (await stack.simulator.ledger()).requests.length > 0);
    const high = await stack.api.submit({ prompt: 'urgent' }, { priority: 'high' });
    await allEnd([...low, high]);
    const { requests } = await stack.simulator.ledger();
    const place = requests.findIndex((row) => row.prompt === 'urgent');
    expect(place).toBeGreaterThanOrEqual(1);
    expect(place).toBeLessThanOrEqual(3);
  });
});

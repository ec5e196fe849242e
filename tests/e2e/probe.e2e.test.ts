// A refused upstream key, in real time: nothing is sent while it is paused but one probe after 30 s, and that wakes all.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ workers: 2 });
});
afterAll(() => stack.stop());

test('after 30 s one waiting call probes a paused key; when it is accepted, all that waited is done', async () => {
  await stack.simulator.fault('invalid_api_key', { count: 1 });
  const first = await stack.api.submit({ model: 'gpt-image-2' });
  await until('the call was refused', async () => (await stack.api.attempts(first.id))[0]?.outcome === 'rejected');
  const pausedAt = (await stack.simulator.ledger()).requests[0]?.endedAt ?? 0;
  const models = ['gpt-image-2', 'gpt-image-2.6-flare', 'gpt-image-2.5-sunburst'];
  const others = await Promise.all(models.map((model) => stack.api.submit({ model })));
  await stack.simulator.fault('latency', { params: { ms: 400 } });
  const ended = await Promise.all([first, ...others].map(({ id }) => stack.api.ended(id, 60_000)));
  expect(ended.map((job) => job.status)).toEqual(ended.map(() => 'completed'));

  const { requests } = await stack.simulator.ledger();
  expect(requests).toHaveLength(5);
  const [, probe, ...rest] = requests;
  const waited = (probe?.at ?? 0) - pausedAt;
  say(`the probe was sent ${waited} ms after the refusal, all jobs were done ${Date.now() - pausedAt} ms after it`);
  expect(waited).toBeGreaterThanOrEqual(29_900);
  expect(waited).toBeLessThan(45_000);
  for (const request of rest) expect(request.at).toBeGreaterThanOrEqual(probe?.endedAt ?? Number.POSITIVE_INFINITY);
  expect(await stack.redis.hexists('{darkroom}:upstream-key:default', 'paused')).toBe(0);
});

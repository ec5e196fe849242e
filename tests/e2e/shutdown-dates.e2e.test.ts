// A shutdown day told by the upstream reaches every process: the worker asks, the API shows it and acts on it. So does that a
// model is gone before its day.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ workers: 0 });
});
afterAll(() => stack.stop());

const DAY_MS = 86_400_000;
const dayIn = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);

test('a model shows and keeps to the day the upstream tells', async () => {
  const soon = dayIn(20);
  const shutdownDates = { 'gpt-image-2': soon, 'gpt-image-1.5': dayIn(0), 'gpt-image-1-mini': '2036-01-01' };
  await stack.simulator.settings({ shutdownDates });
  await stack.stack.addWorker();

  const shown = (id: string) => stack.openai.models.retrieve(id) as unknown as Promise<{ status: string }>;
  await until('the day is shown', async () => ((await shown('gpt-image-2')).status === 'deprecated' ? true : null));
  expect(await shown('gpt-image-2')).toMatchObject({ status: 'deprecated', shutdown_date: soon, replacement: null });
  expect(await shown('gpt-image-1.5')).toMatchObject({ status: 'retired', shutdown_date: dayIn(0) });
  expect(await shown('gpt-image-1-mini')).toMatchObject({ status: 'deprecated', shutdown_date: '2036-01-01' });

  const warned = await stack.api.run({ model: 'gpt-image-2' });
  expect(warned).toMatchObject({ status: 'completed', model: 'gpt-image-2' });
  expect(warned.warnings).toContain(`gpt-image-2 shuts down on ${soon}`);
  const translated = await stack.api.run({ model: 'gpt-image-1.5' });
  expect(translated).toMatchObject({ status: 'completed', requested_model: 'gpt-image-1.5' });
  expect(translated.model).not.toBe('gpt-image-1.5');
  expect(stack.lines.filter((line) => line.includes('has told a new shutdown day')).length).toBeGreaterThan(0);
  expect((await stack.simulator.ledger()).images).toHaveLength(2);
});

test('a deprecated model, once unknown upstream, is retired for all, and its next job is translated', async () => {
  const asked = { model: 'gpt-image-1-mini' }; // by the day that is told above it lives
  await stack.simulator.fault('model_not_found_404', asked);
  const job = await stack.api.run(asked);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'model_retired' } });
  expect(await stack.api.attempts(job.id)).toHaveLength(1);
  const second = await stack.addApi();
  for (const api of [stack.api, second]) {
    const next = await until('a job is translated', async () => {
      const tried = await api.run(asked);
      return tried.model === asked.model ? null : tried;
    });
    expect(next).toMatchObject({ status: 'completed', requested_model: asked.model });
    expect(next.warnings.join('\n')).toContain(asked.model);
  }
});

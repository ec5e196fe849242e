// A shutdown day told by the upstream reaches every process: the worker asks, the API shows it and acts on it.
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

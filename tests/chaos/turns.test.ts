import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

test('one begins when the one before has ended, well or not', async () => {
  const turns = new Turns();
  const order: string[] = [];
  const first = turns.take(async () => {
    order.push('first begins');
    await Promise.resolve();
    order.push('first ends');
    throw new RangeError('no');
  });
  const second = turns.take(() => Promise.resolve(order.push('second')));
  await expect(first).rejects.toThrow('no');
  await second;
  expect(order).toEqual(['first begins', 'first ends', 'second']);
});

import { describe, expect, test } from 'vitest';
import { Slots } from './slots.ts';

describe('slots', () => {
  test('are never more than their number, and go to waiters in order', async () => {
    const slots = new Slots(2);
    const [first] = await Promise.all([slots.take(), slots.take()]);
    const order: string[] = [];
    const waiting = ['a', 'b'].map(async (name) => {
      const slot = await slots.take();
      order.push(name);
      return slot;
    });
    expect(slots.isFull).toBe(true);
    first?.free();
    (await waiting[0])?.free();
    (await waiting[1])?.free();
    expect(order).toEqual(['a', 'b']);
    expect(slots.taken).toBe(1);
  });

  test('a waiter that gives up leaves the queue and takes nothing', async () => {
    const slots = new Slots(1);
    const slot = await slots.take();
    const stop = new AbortController();
    const given = slots.take(stop.signal);
    stop.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    slot.free();
    expect(slots.taken).toBe(0);
    (await slots.take()).free();
  });

  test('freeing twice frees once', async () => {
    const slots = new Slots(2);
    const slot = await slots.take();
    await slots.take();
    slot.free();
    slot.free();
    expect(slots.taken).toBe(1);
  });

  test('of several at once never come to more, and a large one is not overtaken', async () => {
    const slots = new Slots(10);
    const first = await slots.take(undefined, 6);
    const order: string[] = [];
    const large = slots.take(undefined, 8).then((slot) => {
      order.push('large');
      return slot;
    });
    const small = slots.take(undefined, 1).then((slot) => {
      order.push('small');
      return slot;
    });
    expect(slots.taken).toBe(6);
    first.free();
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect(slots.taken).toBe(9);
  });

  test('more than there are go to one alone', async () => {
    const slots = new Slots(10);
    const small = await slots.take(undefined, 1);
    const all = slots.take(undefined, 1_000);
    small.free();
    const slot = await all;
    expect(slots.isFull).toBe(true);
    slot.free();
    expect(slots.taken).toBe(0);
  });

  test('a large waiter that gives up lets the next in', async () => {
    const slots = new Slots(10);
    await slots.take(undefined, 5);
    const stop = new AbortController();
    const large = slots.take(stop.signal, 8);
    const small = slots.take(undefined, 2);
    stop.abort(new Error('enough'));
    await expect(large).rejects.toThrow('enough');
    await small;
    expect(slots.taken).toBe(7);
  });
});

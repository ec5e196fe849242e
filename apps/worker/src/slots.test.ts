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
});

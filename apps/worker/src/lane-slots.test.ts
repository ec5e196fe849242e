import type { Slot } from '@darkroom/shared/base/slots.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LaneSlots } from './lane-slots.ts';

const never = new AbortController().signal;

/** How many places a lane gets at once. */
function fill(slots: LaneSlots, lane: string): number {
  const before = slots.taken;
  for (let i = 0; i < 100; i += 1) slots.take(lane, never).catch(() => undefined);
  return slots.taken - before;
}

describe('places of a process', () => {
  test.each<[size: number, shares: number[]]>([
    [20, [18, 1, 1, 0]],
    [100, [90, 9, 1, 0]],
    [10, [9, 1, 0]],
    [3, [2, 1, 0]],
    [2, [1, 1, 0]],
    [1, [1, 0]],
  ])('%i are shared by lanes that want all of them as %j', (size, shares) => {
    const slots = new LaneSlots(size);
    expect(shares.map((_, index) => fill(slots, `lane-${index}`))).toEqual(shares);
  });

  test('go to the lane that waits first, but past one that has its share', async () => {
    const slots = new LaneSlots(10);
    const take = (lane: string) => slots.take(lane, never);
    const ofFirst = await Promise.all(Array.from({ length: 9 }, () => take('first')));
    const ofSecond = await take('second');
    const order: string[] = [];
    const entered = (lane: string) => take(lane).then((slot) => ({ slot, place: order.push(lane) }));
    const waiting = [entered('first'), entered('third')] as const;
    ofSecond.free();
    (await waiting[1]).slot.free();
    ofFirst[0]?.free();
    await waiting[0];
    expect(order).toEqual(['third', 'first']);
  });

  test('are had at once or not at all by who does not wait', async () => {
    const slots = new LaneSlots(2);
    const held = slots.takeAtOnce('a');
    expect([held === null, slots.takeAtOnce('a')]).toEqual([false, null]);
    held?.free();
    held?.free();
    expect(slots.taken).toBe(0);
    expect(slots.takeAtOnce('a')).not.toBeNull();
  });

  test('are given up by a waiter whose time is over, and then belong to the next', async () => {
    const slots = new LaneSlots(1);
    const held = await slots.take('a', never);
    const leaving = new AbortController();
    const gone = slots.take('b', leaving.signal);
    const next = slots.take('c', never);
    leaving.abort(new Error('enough'));
    await expect(gone).rejects.toThrow('enough');
    await expect(slots.take('d', leaving.signal)).rejects.toThrow('enough');
    held.free();
    held.free();
    await next;
    expect(slots.taken).toBe(1);
  });

  test('are had several at a time or none: one lane leaves a tenth, and who wants more than there are gets all, alone', async () => {
    const slots = new LaneSlots(100);
    const [hung, more] = [slots.takeAtOnce('hung', 80), slots.takeAtOnce('hung', 11)];
    expect([hung === null, more]).toEqual([false, null]);
    expect([slots.takeAtOnce('other', 21), slots.takeAtOnce('other', 15) === null]).toEqual([null, false]);
    expect([slots.takeAtOnce('other', 4), slots.takeAtOnce('third', 5) === null]).toEqual([null, false]);
    const alone = new LaneSlots(100);
    alone.takeAtOnce('a', 1_000);
    expect(alone.taken).toBe(100);
  });

  test('go to nobody before one that waits for many, also of its own lane, until it gives up', async () => {
    const slots = new LaneSlots(100);
    const held = [slots.takeAtOnce('a', 50), slots.takeAtOnce('b', 20)];
    const leaving = new AbortController();
    const many = slots.take('a', leaving.signal, 60); // beyond the lane's share: others may pass, its own may not
    expect([slots.takeAtOnce('a', 1), slots.takeAtOnce('b', 1) === null]).toEqual([null, false]);
    const large = slots.take('c', leaving.signal, 40);
    const behind = slots.take('b', never, 2);
    expect(slots.taken).toBe(71);
    leaving.abort(new Error('enough'));
    await expect(many).rejects.toThrow('enough');
    await expect(large).rejects.toThrow('enough');
    await behind;
    for (const slot of held) slot?.free();
    expect(slots.taken).toBe(3);
  });

  test('are never more than there are, and a waiting lane without one gets the next', async () => {
    const steps = fc.array(fc.record({ lane: fc.constantFrom('a', 'b', 'c'), take: fc.boolean() }), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 12 }), steps, async (size, actions) => {
        const slots = new LaneSlots(size);
        const held: { lane: string; slot: Slot }[] = [];
        const waiting = new Map<string, number>();
        for (const { lane, take } of actions) {
          if (take) {
            waiting.set(lane, (waiting.get(lane) ?? 0) + 1);
            const enter = async () => {
              const slot = await slots.take(lane, never);
              waiting.set(lane, (waiting.get(lane) ?? 0) - 1);
              held.push({ lane, slot });
            };
            void enter();
          } else held.shift()?.slot.free();
          await Promise.resolve();
          await new Promise(setImmediate);
          expect(slots.taken).toBe(held.length);
          expect(slots.taken).toBeLessThanOrEqual(size);
          const starved = [...waiting].filter(([name, count]) => count > 0 && !held.some((one) => one.lane === name));
          if (starved.length > 0) expect(slots.taken).toBe(size);
        }
      }),
      { numRuns: 50 },
    );
  });
});

import { Slots } from '@darkroom/shared/base/slots.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ReadingTurn } from './reading-turn.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const TRICKLE_BYTES = 16 * 1_024;
const MUCH_BYTES = 64 * 1_024;

/** A reply that has the only reader. */
async function reading(readers: Slots): Promise<ReadingTurn> {
  const turn = new ReadingTurn(readers);
  await turn.came(MUCH_BYTES);
  expect(turn.came(MUCH_BYTES)).toBeNull();
  expect(readers.taken).toBe(1);
  return turn;
}

describe('a reply', () => {
  test('that only trickles needs no reader', () => {
    const readers = new Slots(1);
    const turn = new ReadingTurn(readers);
    expect([turn.came(1), turn.came(TRICKLE_BYTES - 1), readers.taken]).toEqual([null, null, 0]);
  });

  test('waits while as many arrive as may, and goes on when one of them has ended', async () => {
    const readers = new Slots(1);
    const first = await reading(readers);
    const second = new ReadingTurn(readers);
    const more = second.came(MUCH_BYTES);
    expect(more).not.toBeNull();
    expect(second.came(1)).toBe(more);
    first.end();
    await more;
    expect([second.came(MUCH_BYTES), readers.taken]).toEqual([null, 1]);
    second.end();
    expect([readers.taken, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test.each([0, TRICKLE_BYTES])(
    'of which %i bytes came within a second lets others read, then waits its turn',
    async (bytes) => {
      const readers = new Slots(1);
      const slow = await reading(readers);
      const other = new ReadingTurn(readers);
      const othersTurn = other.came(MUCH_BYTES);
      vi.advanceTimersByTime(1_000);
      expect(slow.came(bytes)).toBeNull();
      vi.advanceTimersByTime(1_000);
      await othersTurn;
      const more = slow.came(MUCH_BYTES);
      expect([more === null, readers.taken]).toEqual([false, 1]);
      other.end();
      await more;
      expect(slow.came(MUCH_BYTES)).toBeNull();
      slow.end();
    },
  );

  test('that keeps coming keeps its reader', async () => {
    const readers = new Slots(1);
    const turn = await reading(readers);
    for (let second = 0; second < 10; second += 1) {
      expect(turn.came(TRICKLE_BYTES + 1)).toBeNull();
      vi.advanceTimersByTime(1_000);
      expect(readers.taken).toBe(1);
    }
    turn.end();
  });

  test('that ends while it waits takes no reader any more', async () => {
    const readers = new Slots(1);
    const first = await reading(readers);
    const [gone, late] = [new ReadingTurn(readers), new ReadingTurn(readers)];
    const waiting = [gone.came(MUCH_BYTES), late.came(MUCH_BYTES)];
    gone.end();
    first.end();
    late.end(); // it has just been given the reader
    for (const more of waiting) await more;
    expect([readers.taken, vi.getTimerCount()]).toEqual([0, 0]);
  });
});

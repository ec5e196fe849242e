import { describe, expect, it } from 'vitest';
import { buildQueueRoom } from './queue-room.ts';

/** A lane of `depth` calls that counts how often it was asked. */
function laneOf(depth: number) {
  const lane = { depth, asked: 0 };
  const queues = {
    depth: async () => {
      lane.asked += 1;
      return lane.depth;
    },
  };
  return { lane, queues };
}

describe('room in a lane', () => {
  it('is asked for once while there is plenty', async () => {
    const { lane, queues } = laneOf(0);
    const room = buildQueueRoom(queues, 1_000_000);
    for (let job = 0; job < 50; job += 1) await room.assert('a', 10);
    expect(lane.asked).toBeLessThan(50);
    await room.assert('b', 1);
    expect(lane.asked).toBeGreaterThan(1);
  });

  it.each([1, 5, 9])('of %i places is never given out twice', async (places) => {
    const { lane, queues } = laneOf(0);
    const room = buildQueueRoom(queues, places);
    for (let job = 0; job < places; job += 1) {
      await room.assert('a', 1);
      lane.depth += 1;
    }
    await expect(room.assert('a', 1)).rejects.toMatchObject({ code: 'queue_full', status: 429 });
  });

  it('is counted by calls, not by jobs', async () => {
    const { lane, queues } = laneOf(0);
    const room = buildQueueRoom(queues, 20);
    await room.assert('a', 10);
    await room.assert('a', 10);
    lane.depth = 20;
    await expect(room.assert('a', 10)).rejects.toMatchObject({ code: 'queue_full' });
  });
});

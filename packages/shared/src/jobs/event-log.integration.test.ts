import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { BEGINNING, buildEventLog, type EventLog, positionBefore } from './event-log.ts';

let test: TestRedis;
let keys: Keys;
let log: EventLog;
beforeAll(async () => {
  test = await openTestRedis();
  keys = keysOf(test.prefix);
  log = buildEventLog(test.redis, keys);
});
afterAll(() => test.close());

async function add(account: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let sequence = 1; sequence <= count; sequence += 1) {
    const fields = ['type', 'image.completed', 'job', 'job_1', 'status', 'in_progress', 'batch', '', 'run', '1'];
    ids.push(
      (await test.redis.xadd(keys.accountEvents(account), '*', ...fields, 'sequence', sequence, 'image', '0')) ?? '',
    );
  }
  return ids;
}

describe('the event log', () => {
  it('is read page by page, in order, to its end', async () => {
    const ids = await add('pages', 5);
    const first = await log.read('pages', BEGINNING, 3);
    expect(first).toMatchObject({ position: ids[2], isFull: true, hasGap: false });
    expect(first.entries[0]).toEqual({
      id: ids[0],
      type: 'image.completed',
      jobId: 'job_1',
      batchId: null,
      status: 'in_progress',
      run: 1,
      sequence: 1,
      image: 0,
    });
    const second = await log.read('pages', first.position, 3);
    expect(second.entries.map(({ id }) => id)).toEqual(ids.slice(3));
    expect(second.isFull).toBe(false);
    expect(await log.read('pages', second.position, 3)).toEqual({
      entries: [],
      position: ids[4],
      isFull: false,
      hasGap: false,
    });
  });

  it('has its newest place, the beginning when there is none', async () => {
    const ids = await add('newest', 2);
    expect(await log.newest('newest')).toBe(ids[1]);
    expect(await log.newest('nobody')).toBe(BEGINNING);
  });

  it('is whole before its first entry while nothing was trimmed, and has a gap there afterwards', async () => {
    const ids = await add('trimmed', 4);
    expect(await log.isKept('trimmed', BEGINNING)).toBe(true);
    await test.redis.xtrim(keys.accountEvents('trimmed'), 'MAXLEN', 2);
    const kept = await Promise.all([BEGINNING, ...ids].map((id) => log.isKept('trimmed', id)));
    expect(kept).toEqual([false, false, false, true, true]);
    expect(await log.isKept('trimmed', positionBefore(ids[2] ?? ''))).toBe(false);
    expect((await log.read('trimmed', ids[0] ?? '', 10)).hasGap).toBe(true);
    expect((await log.read('trimmed', ids[2] ?? '', 10)).hasGap).toBe(false);
  });

  it('knows no place after its end', async () => {
    await add('future', 1);
    expect(await log.isKept('future', '99999999999999-0')).toBe(false);
    expect(await log.isKept('nobody', '1-0')).toBe(false);
    expect(await log.isKept('nobody', BEGINNING)).toBe(true);
  });
});

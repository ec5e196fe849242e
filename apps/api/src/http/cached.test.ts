import { describe, expect, it } from 'vitest';
import { buildCached } from './cached.ts';

describe('buildCached', () => {
  it('asks again only after its time, and once for concurrent callers', async () => {
    let [now, asked] = [0, 0];
    const ask = buildCached(
      100,
      async () => ++asked,
      () => now,
    );
    expect(await Promise.all([ask(), ask()])).toEqual([1, 1]);
    now = 99;
    expect(await ask()).toBe(1);
    now = 100;
    expect(await ask()).toBe(2);
  });

  it('does not remember a failure', async () => {
    let asked = 0;
    const ask = buildCached(100, async () => {
      asked += 1;
      if (asked === 1) throw new Error('away');
      return asked;
    });
    await expect(ask()).rejects.toThrow('away');
    expect(await ask()).toBe(2);
  });
});

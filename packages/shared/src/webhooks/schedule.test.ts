import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeTry, parseRetryAfterMs, SCHEDULE_MS, type TryResult } from './schedule.ts';

const answered = (status: number, retryAfterMs: number | null = null): TryResult => ({
  status,
  error: null,
  retryAfterMs,
});
const lost = (error: TryResult['error']): TryResult => ({ status: null, error, retryAfterMs: null });
const DAY_MS = 86_400_000;

const failing = fc.oneof(
  fc.integer({ min: 100, max: 199 }).map((status) => answered(status)),
  fc
    .integer({ min: 300, max: 599 })
    .filter((status) => status !== 410)
    .map((status) => answered(status)),
  fc.constantFrom('blocked' as const, 'timeout' as const, 'network' as const, 'no_secret' as const).map(lost),
);
const chance = fc.double({ min: 0, max: 1, noNaN: true });

describe('after a try', () => {
  test('every 2xx is the end, whatever came before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 200, max: 299 }), fc.nat(20), chance, (status, failures, random) => {
        expect(judgeTry(answered(status), failures, random)).toMatchObject({ outcome: 'delivered', health: 'up' });
      }),
    );
  });

  test('410 stops, at any time', () => {
    fc.assert(
      fc.property(fc.nat(20), chance, (failures, random) => {
        expect(judgeTry(answered(410), failures, random).outcome).toBe('gone');
      }),
    );
  });

  test('anything else is tried again after the wait of the schedule, 20 % more or less, ten times in all', () => {
    fc.assert(
      fc.property(failing, fc.nat(20), chance, (result, failures, random) => {
        const { outcome, delayMs } = judgeTry(result, failures, random);
        const wait = SCHEDULE_MS[failures];
        expect(outcome).toBe(wait === undefined ? 'failed' : 'retry');
        if (wait === undefined) return;
        expect(delayMs).toBeGreaterThanOrEqual(Math.floor(wait * 0.8));
        expect(delayMs).toBeLessThanOrEqual(Math.ceil(wait * 1.2));
      }),
    );
    expect(SCHEDULE_MS).toHaveLength(9);
  });

  test('retry-after is never undercut, but never longer than a day', () => {
    fc.assert(
      fc.property(failing, fc.nat(8), chance, fc.nat(10 * DAY_MS), (result, failures, random, retryAfterMs) => {
        const { delayMs } = judgeTry({ ...result, retryAfterMs }, failures, random);
        expect(delayMs).toBeGreaterThanOrEqual(Math.min(retryAfterMs, DAY_MS));
        expect(delayMs).toBeLessThanOrEqual(Math.max(1.2 * DAY_MS, (SCHEDULE_MS[failures] ?? 0) * 1.2));
      }),
    );
  });

  test('the whole schedule is that of the contract', () => {
    const minutes = SCHEDULE_MS.map((ms) => ms / 60_000);
    expect(minutes).toEqual([5 / 60, 5, 30, 120, 300, 600, 840, 1_200, 1_440]);
  });

  test.each([
    [answered(204), 'up'],
    [answered(302), 'up'],
    [answered(404), 'up'],
    [answered(410), 'up'],
    [answered(429), 'down'],
    [answered(500), 'down'],
    [answered(503), 'down'],
    [lost('timeout'), 'down'],
    [lost('network'), 'down'],
    [lost('blocked'), 'down'],
    [lost('no_secret'), null],
  ] as const)('%j says of the host: %s', (result, health) => {
    expect(judgeTry(result, 0, 0.5).health).toBe(health);
  });
});

describe('retry-after', () => {
  const now = Date.parse('2026-11-22T10:00:00Z');
  test.each<[string | undefined, number | null]>([
    [undefined, null],
    ['', null],
    ['7', 7_000],
    [' 0 ', 0],
    ['Sun, 22 Nov 2026 10:01:00 GMT', 60_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['2026', 2_026_000],
  ])('%j is %j ms', (header, ms) => {
    expect(parseRetryAfterMs(header, now)).toBe(ms);
  });
});

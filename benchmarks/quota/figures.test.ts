import { describe, expect, it } from 'vitest';
import { figuresOf, type Run } from './figures.ts';
import type { DarkroomScenario } from './scenarios.ts';
import type { LedgerRequest } from './upstream.ts';

const scenario: DarkroomScenario = {
  client: 'darkroom',
  name: 'told-60-1',
  upstream: { imagesPerMinute: 60, bucketSeconds: 6, telling: 'headers', halves: false },
  mix: [1],
  workers: 1,
  told: { burstSeconds: 5 },
  secondShare: 0,
};
const START = 1_700_000_000_000;
const LATENCY_MS = 2_000;

function request(atMs: number, account = 'alpha', status = 200): LedgerRequest {
  const at = START + atMs;
  const billedImages = status === 200 ? 1 : 0;
  return { at, endedAt: at + LATENCY_MS, prompt: `${account} 0: x`, n: 1, status, billedImages };
}

function runOf(endedAtMs: number, images: number, secondFromMs: number | null = null): Run {
  const secondFrom = secondFromMs === null ? null : START + secondFromMs;
  return { startedAt: START, endedAt: START + endedAtMs, images, failed: 0, workersCpuMs: 0, secondFrom };
}

/** Five at once, then one a second: all that was told. */
const perfect = [0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000, 5_000].map((atMs) => request(atMs));

describe('the figures', () => {
  it('of a client that does all it was told are 100 % use, and a ratio for the image the bucket held beyond', () => {
    const figures = figuresOf(scenario, runOf(7_000, 10), perfect, null);
    expect(figures).toMatchObject({ use: 1, minimumMs: 6_000, makespanMs: 7_000, longestGapMs: 1_000, refused: 0 });
    expect(figures).toMatchObject({ firstImageMs: 2_000, surplus: 0, second: null });
  });

  it('show a second lost as use lost', () => {
    const late = perfect.map((row, index) => (index < 9 ? row : request(6_000)));
    expect(figuresOf(scenario, runOf(8_000, 10), late, null)).toMatchObject({ use: 10 / 11, longestGapMs: 2_000 });
  });

  it('count refused requests apart, and images nobody got', () => {
    const figures = figuresOf(scenario, runOf(7_000, 9), [...perfect, request(2_500, 'alpha', 429)], null);
    expect(figures).toMatchObject({ requests: 11, refused: 1, surplus: 1, use: 1 });
  });

  it('show by how much requests came closer together than was meant', () => {
    const meant = figuresOf(scenario, runOf(7_000, 10), perfect, null);
    expect(meant.burstSeconds).toBe(5);
    const late = perfect.map((row, index) => (index < 5 ? request(250) : row));
    expect(figuresOf(scenario, runOf(7_000, 10), late, null).burstSeconds).toBe(5.25);
  });

  it("give the second account's share while it had work", () => {
    const rows = [
      request(0),
      request(1_000),
      request(2_000, 'beta'),
      request(3_000),
      request(4_000, 'beta'),
      request(5_000),
    ];
    const { second } = figuresOf(scenario, runOf(7_000, 6, 1_000), rows, null);
    expect(second).toEqual({ share: 0.5, firstImageMs: 3_000 });
  });
});

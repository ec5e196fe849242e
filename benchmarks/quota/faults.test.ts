import { expect, it } from 'vitest';
import { faultsOf } from './faults.ts';
import type { Run } from './figures.ts';
import type { DarkroomScenario, SdkScenario } from './scenarios.ts';
import type { LedgerRequest } from './upstream.ts';
import { planWork } from './work.ts';

const upstream = { imagesPerMinute: 60, bucketSeconds: 6, telling: 'headers', halves: false } as const;
const scenario: DarkroomScenario = {
  client: 'darkroom',
  name: 'told-60-1',
  upstream,
  mix: [1, 2],
  workers: 1,
  told: { burstSeconds: 5 },
  secondShare: 0,
};
const sdk: SdkScenario = { client: 'sdk', name: 'sdk', upstream, mix: [1], atOnce: 1, maxRetries: 2 };
const calls = planWork(scenario, 6);
const done: Run = { startedAt: 0, endedAt: 9_000, images: 6, failed: 0, workersCpuMs: 0, secondFrom: null };
const ledger = calls.map(({ body }) => answered(body.prompt, body.n));

function answered(prompt: string, billedImages: number, status = 200): LedgerRequest {
  return { at: 0, endedAt: 1, prompt, n: billedImages, status, billedImages };
}

it('finds nothing where each call was made once and all images arrived, refusals or not', () => {
  expect(faultsOf(scenario, calls, done, [...ledger, answered(calls[0]?.body.prompt ?? '', 0, 429)])).toEqual([]);
});

it.each([
  ['a job that failed', { failed: 1 }, ledger, 'told-60-1: 1 jobs did not complete'],
  ['an image that never arrived', { images: 5 }, ledger, 'told-60-1: 5 images of 6 arrived'],
  [
    'a call bought twice',
    {},
    [...ledger, ...ledger.slice(1, 2)],
    "told-60-1: 'alpha 1: a white siamese cat': 4 images were billed, not 2",
  ],
  ['images of no job', {}, [...ledger, answered('stray', 1)], "told-60-1: 'stray', which nobody asked for: 1 images"],
  [
    'a request that broke',
    {},
    [...ledger, answered('alpha 0: a white siamese cat', 0, 500)],
    'told-60-1: 1 requests ended otherwise than with 200 or 429',
  ],
] as const)('tells of %s', (_, change, requests, fault) => {
  expect(faultsOf(scenario, calls, { ...done, ...change }, requests)).toEqual([fault]);
});

it('asks nothing of the kind of the SDK', () => {
  expect(faultsOf(sdk, calls, { ...done, failed: 3, images: 3 }, [])).toEqual([]);
});

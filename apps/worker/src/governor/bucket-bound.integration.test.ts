// The bucket's guarantee, over random lives of several workers: whatever is taken, given back late or early, and stopped,
// over any span no more starts than limit · time + size.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  ask,
  FAMILY,
  type GovernorKit,
  MODEL,
  openGovernorKit,
  refuse,
  SISTER,
  said,
  told,
} from '../testing/governor-kit.ts';
import type { Governor, Permit } from './governor.ts';

let kit: GovernorKit;
beforeAll(async () => {
  kit = await openGovernorKit();
});
afterEach(() => kit.closeAll());
afterAll(() => kit.close());

/** High enough that a few hundred images pass in a test's time. */
const LIMITS = { [MODEL]: 12_000, [SISTER]: 30_000, [FAMILY]: 18_000 };
const MOST_IMAGES = 10;

type Step =
  | { readonly kind: 'take'; readonly worker: number; readonly model: string; readonly images: number }
  /** `which`: of the permits out, counted from the newest. */
  | { readonly kind: 'give-back' | 'stop'; readonly which: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('take' as const),
        worker: fc.nat(2),
        model: fc.constantFrom(MODEL, MODEL, SISTER),
        images: fc.integer({ min: 1, max: MOST_IMAGES }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('give-back' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), which: fc.nat(5) }) },
  ),
  { minLength: 20, maxLength: 120 },
);

/** Permits whose call goes out at their time. A stop voids those of its bucket that have not started. */
async function live(workers: readonly Governor[], life: readonly Step[]): Promise<readonly Permit[]> {
  const out: Permit[] = [];
  for (const step of life) {
    if (step.kind === 'take') {
      const acquired = await (workers[step.worker] as Governor).acquire(ask(step.images, { model: step.model }));
      if (acquired.kind === 'permit') out.push(acquired.permit);
      continue;
    }
    const [permit] = out.splice(Math.max(0, out.length - 1 - step.which), 1);
    if (permit === undefined) continue;
    if (step.kind === 'give-back') {
      await permit.giveBack('unused');
      continue;
    }
    out.push(permit);
    const asleep = out.filter((other) => other.model === permit.model && other.receipt.start > Date.now());
    await refuse(workers[0] as Governor, permit, said({ 'retry-after': '1' }));
    for (const other of asleep) {
      if (other !== permit) await other.giveBack('unused');
      out.splice(out.indexOf(other), 1);
    }
  }
  return out;
}

/** By how many images the starts were ever ahead of the limit, its size allowed for. */
function mostAhead(permits: readonly Permit[], perMinute: number, size: number): number {
  const sorted = permits.toSorted((a, b) => a.receipt.start - b.receipt.start);
  let most = Number.NEGATIVE_INFINITY;
  for (const [index, { receipt: first }] of sorted.entries()) {
    let images = 0;
    for (const { receipt, images: more } of sorted.slice(index)) {
      images += more;
      most = Math.max(most, images - size - ((receipt.start - first.start) * perMinute) / 60_000);
    }
  }
  return most;
}

test.each([0, 0.02, 0.2])('with a burst of %d s', async (burstSeconds) => {
  await fc.assert(
    fc.asyncProperty(steps, async (life) => {
      const prefix = kit.newPrefix();
      const limits = Object.fromEntries(
        Object.entries(LIMITS).map(([name, perMinute]) => [
          name,
          told({ images_per_minute: perMinute, burst_seconds: burstSeconds }),
        ]),
      );
      const workers = await Promise.all([0, 1, 2].map(() => kit.open(limits, prefix)));
      const sent = await live(workers, life);
      for (const [name, perMinute] of Object.entries(LIMITS)) {
        const mine = sent.filter(({ limits: { names } }) => names.includes(name));
        const size = Math.max(MOST_IMAGES, (burstSeconds * perMinute) / 60);
        expect(mostAhead(mine, perMinute, size), name).toBeLessThan(0.1); // starts are told to a tenth of a millisecond
      }
    }),
    { numRuns: 60 },
  );
});

// Short runs of `npm run chaos`: the service under kills by name and faults, its books audited. What a failing run leaves is
// named in its error; again: `npm run chaos -- --short --seed N`, the whole seed: `npm run chaos -- --seed N`.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { keepRun, toComplaints, toTable } from '../chaos/report.ts';
import { runPlan } from '../chaos/run-plan.ts';
import { planShort } from '../chaos/short-plans.ts';
import { say } from './say.ts';

const KEPT = fileURLToPath(new URL('../../data/chaos', import.meta.url));
const LONGEST_MS = 420_000;

/** One test a seed. */
export function testSeeds(seeds: readonly number[]): void {
  test.each(seeds)(
    'short seed %i: nothing is lost, everything ends, what was bought twice is shown',
    async (seed) => {
      const run = await runPlan(planShort(seed), () => undefined);
      say(toTable(run));
      if (run.findings.violations.length === 0) return;
      expect.fail(`${toComplaints(run)}\nkept in ${keepRun(run, KEPT)}`);
    },
    LONGEST_MS,
  );
}

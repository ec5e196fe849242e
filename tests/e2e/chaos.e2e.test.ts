// A short run of `npm run chaos`: the service under kills by name and faults, its books audited. Seeds that ever failed are
// run here for good. What a failing run leaves is named in its error; the whole run: `npm run chaos -- --seed N`.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { keepRun, toComplaints, toTable } from '../chaos/report.ts';
import { runSeed } from '../chaos/run-seed.ts';
import { FAILED_ONCE } from '../chaos/seeds.ts';
import { say } from '../support/say.ts';

const KEPT = fileURLToPath(new URL('../../data/chaos', import.meta.url));
const LONGEST_MS = 420_000;

test.each(FAILED_ONCE)(
  'short seed %i: nothing is lost, everything ends, what was bought twice is shown',
  async (seed) => {
    const run = await runSeed({ seed, isShort: true, tell: () => undefined });
    say(toTable(run));
    if (run.findings.violations.length === 0) return;
    expect.fail(`${toComplaints(run)}\nkept in ${keepRun(run, KEPT)}`);
  },
  LONGEST_MS,
);

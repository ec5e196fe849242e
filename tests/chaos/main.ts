// npm run chaos: seeded runs of the whole service under everything that goes wrong, each audited; exit 1 on a violation.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { planRun } from './plan.ts';
import { keepRun, toComplaints, toTable } from './report.ts';
import { runPlan } from './run-plan.ts';
import { FAILED_ONCE, SHORT } from './seeds.ts';
import { planShort } from './short-plans.ts';
import { openTotals, type Totals } from './totals.ts';

const HELP = `Usage: npm run chaos -- [options]

  --seed N     this seed alone (a failed one is replayed by it)
  --seeds N    so many seeds, from --from on          1
  --from N     the first of them                      1
  --failed     all seeds that ever failed
  --short      as in CI: a few of those, with fewer jobs; together they meet each state and each fault
  --quiet      only tables
  --keep       keep the books of good runs as well
A failing run leaves its timeline, books and logs in data/chaos.
The same seed means the same jobs and the same faults in the same order; when they meet is up to the machine.`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    failed: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`not a whole number: ${text}`);
}

async function main(): Promise<number> {
  const seeds = seedsToRun();
  const count = seeds.length;
  const failed: number[] = [];
  const totals = openTotals();
  for (const seed of seeds) if (!(await runOne(seed, totals))) failed.push(seed);
  if (count > 1) say(totals.toTable());
  say(
    failed.length === 0
      ? `${count} seeds, no violation`
      : `${failed.length} of ${count} seeds failed: ${failed.join(' ')}`,
  );
  return failed.length === 0 ? 0 : 1;
}

function seedsToRun(): readonly number[] {
  if (values.seed !== undefined) return [wholeNumber(values.seed)];
  if (values.short) return SHORT;
  if (values.failed) return FAILED_ONCE;
  const first = wholeNumber(values.from);
  return Array.from({ length: wholeNumber(values.seeds) }, (_, at) => first + at);
}

/** Whether it was good. A run that could not be carried out is not, and does not keep the others from theirs. */
async function runOne(seed: number, totals: Totals): Promise<boolean> {
  try {
    const plan = values.short ? planShort(seed) : planRun(seed);
    const run = await runPlan(plan, values.quiet ? () => undefined : say);
    totals.add(run);
    say(toTable(run));
    const isBad = run.findings.violations.length > 0;
    if (isBad) say(toComplaints(run));
    if (isBad || values.keep) say(`kept in ${keepRun(run, resolve('data/chaos'))}`);
    return !isBad;
  } catch (error) {
    say(`✗ seed ${seed} could not be run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return false;
  }
}

// The processes of a run end with this one, in order or not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
if (values.help) say(HELP);
else process.exitCode = await main();

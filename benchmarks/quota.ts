// `npm run bench:quota [-- name …] [--images N] [--append FILE] [--list]`: how well the upstream's limits are used, in real
// time. All scenarios with 1,000 images take hours; see README.md for what the columns mean. Ends with 1 when images were
// lost or bought twice; how good a figure is it only shows, for that depends on the machine.
import { appendFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { soonestMs } from './quota/allowance.ts';
import { faultsOf } from './quota/faults.ts';
import { figuresOf, type Run } from './quota/figures.ts';
import { runDarkroom } from './quota/run-darkroom.ts';
import { runSdk } from './quota/run-sdk.ts';
import { findScenarios, type Scenario } from './quota/scenarios.ts';
import { TABLE_HEAD, toRow } from './quota/table.ts';
import { type LimitedUpstream, startLimitedUpstream } from './quota/upstream.ts';
import { type Call, planWork } from './quota/work.ts';
import { describeRun } from './support/machine.ts';

const FEWEST_IMAGES = 10;

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      images: { type: 'string', default: '1000' },
      append: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  });
  const images = Number(values.images);
  if (!Number.isInteger(images) || images < FEWEST_IMAGES) {
    throw new Error(`--images must be a whole number from ${FEWEST_IMAGES}, not ${values.images}`);
  }
  const scenarios = findScenarios(positionals);
  if (values.list) return list(scenarios, images);
  const write = (text: string): void => {
    console.log(text);
    if (values.append !== undefined) appendFileSync(values.append, `${text}\n`);
  };
  write(`\n${describeRun()}\n\n${TABLE_HEAD}`);
  const faults: string[] = [];
  for (const scenario of scenarios) {
    console.error(`${scenario.name}: ${images} images …`);
    const measured = await measure(scenario, images);
    write(measured.row);
    faults.push(...measured.faults);
  }
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

async function measure(scenario: Scenario, images: number): Promise<{ row: string; faults: readonly string[] }> {
  const upstream = await startLimitedUpstream(scenario);
  try {
    const calls = planWork(scenario, images);
    const run = await runUnderLimit(scenario, calls, images, upstream);
    const ledger = await upstream.ledger();
    const figures = figuresOf(scenario, run, ledger, upstream.halvedAt);
    const row = toRow({ scenario, images, run, figures, load: loadavg()[0] ?? 0 });
    return { row, faults: faultsOf(scenario, calls, run, ledger) };
  } finally {
    await upstream.stop();
  }
}

async function runUnderLimit(
  scenario: Scenario,
  calls: readonly Call[],
  images: number,
  upstream: LimitedUpstream,
): Promise<Run> {
  const ended = new AbortController();
  const halving = scenario.upstream.halves ? upstream.halveAfter(images / 2, ended.signal) : Promise.resolve();
  try {
    return scenario.client === 'darkroom'
      ? await runDarkroom(scenario, calls, upstream.url)
      : await runSdk(scenario, calls, upstream.url);
  } finally {
    ended.abort();
    await halving;
  }
}

/** Names, and how long each takes at least. */
function list(scenarios: readonly Scenario[], images: number): void {
  for (const { name, upstream, mix } of scenarios) {
    const capacity = Math.max((upstream.imagesPerMinute * upstream.bucketSeconds) / 60, ...mix);
    const ms = soonestMs([{ fromMs: 0, perMinute: upstream.imagesPerMinute, capacity }], images);
    console.log(`${name.padEnd(24)} ${(ms / 60_000).toFixed(1).padStart(5)} min`);
  }
}

// Ending here ends the processes under measurement too; without a handler a signal would leave them behind.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

try {
  await main(process.argv.slice(2));
  process.exit();
} catch (error) {
  console.error(error instanceof Error && error.cause === undefined ? error.message : error);
  process.exit(1);
}

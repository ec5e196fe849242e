// `npm run bench [-- name …]`: measures Darkroom against what this machine can do at best, and prints one table.
import { measureAcceptRate } from './accept-rate.ts';
import { measureBatch } from './batch.ts';
import { measureEditUpload } from './edit-upload.ts';
import { measureEventStreams } from './event-streams.ts';
import { measureLatency } from './latency.ts';
import { describeRun } from './support/machine.ts';
import type { Row } from './support/row.ts';
import { measureSyncRoute } from './sync-route.ts';
import { measureWholeJobs } from './whole-jobs.ts';
import { measureWorkerMemory } from './worker-memory.ts';

const BENCHMARKS: Readonly<Record<string, () => Promise<Row[]>>> = {
  'accept-rate': measureAcceptRate,
  'whole-jobs': measureWholeJobs,
  latency: measureLatency,
  'worker-memory': measureWorkerMemory,
  batch: measureBatch,
  'event-streams': measureEventStreams,
  'sync-route': measureSyncRoute,
  'edit-upload': measureEditUpload,
};

async function main(asked: readonly string[]): Promise<void> {
  const names = asked.length === 0 ? Object.keys(BENCHMARKS) : asked;
  const unknown = names.find((name) => BENCHMARKS[name] === undefined);
  if (unknown !== undefined)
    throw new Error(`no benchmark '${unknown}'; there are ${Object.keys(BENCHMARKS).join(', ')}`);
  const run = describeRun();
  const rows: Row[] = [];
  for (const name of names) {
    console.error(`${name} …`);
    rows.push(...((await BENCHMARKS[name]?.()) ?? []));
  }
  console.log(`\n${run}\n\n${toTable(rows)}`);
}

/** Markdown, so that a run can be kept as it is. */
function toTable(rows: readonly Row[]): string {
  const lines = [
    ['', 'Darkroom', 'ceiling', 'ratio'],
    ...rows.map(({ what, measured, ceiling, ratio }) => [what, measured, ceiling, ratio]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(3, ...lines.map((cells) => (cells[column] ?? '').length)));
  const toLine = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const [head = [], ...rest] = lines;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [head, rule, ...rest].map(toLine).join('\n');
}

// Ending here ends the processes under measurement too; without a handler a signal would leave them behind.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

try {
  await main(process.argv.slice(2));
  process.exit();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

// `npm test`: every check through turbo, then one line with the true counts. A test counts as one; so does each static
// check (types, lint, format, unused code). A task that died without a result counts as failed. Before that
// line stands how each task that failed ended: of a log this long often only the end is kept.
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const runs = join(root, '.turbo', 'runs');
const TASKS = ['format', 'unused', 'typecheck', 'lint', 'test', 'test:integration', 'test:e2e'];
const LINES_OF_A_FAILURE = 60;

interface TurboSummary {
  readonly tasks: readonly {
    readonly taskId: string;
    readonly task: string;
    readonly directory: string;
    /** From the root: what the task printed. */
    readonly logFile: string;
    readonly execution?: { readonly exitCode?: number };
  }[];
}
interface VitestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs turbo to its end; the summary it writes says how each task ended. */
async function runTurbo(): Promise<TurboSummary> {
  rmSync(runs, { recursive: true, force: true });
  mkdirSync(runs, { recursive: true });
  const args = [
    'run',
    ...TASKS,
    '--continue=always',
    '--summarize',
    '--output-logs=new-only',
    '--log-order=stream',
    '--concurrency=2',
    ...process.argv.slice(2),
  ];
  const turbo = spawn(join(root, 'node_modules/.bin/turbo'), args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1' },
  });
  await new Promise((resolve) => turbo.on('exit', resolve));
  const [file] = readdirSync(runs);
  if (file === undefined) throw new Error('turbo wrote no summary: it could not start');
  return JSON.parse(readFileSync(join(runs, file), 'utf8')) as TurboSummary;
}

function count(summary: TurboSummary): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const task of summary.tasks) {
    if (task.task === 'sources') continue;
    const isWell = task.execution?.exitCode === 0;
    const file = join(root, task.directory, '.results', `${task.task.replace(':', '-')}.json`);
    if (!task.task.startsWith('test')) add(counts, isWell ? 1 : 0, isWell ? 0 : 1, 0);
    else if (!existsSync(file)) add(counts, 0, 1, 0);
    else addResult(counts, JSON.parse(readFileSync(file, 'utf8')) as VitestResult, isWell);
    if (!isWell) console.error(`\nfailed: ${task.taskId}\n${endOf(join(root, task.logFile))}`);
  }
  return counts;
}

/** The last lines of what a task printed: vitest names there each test that failed, and why. */
function endOf(log: string): string {
  if (!existsSync(log)) return 'it printed nothing';
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LINES_OF_A_FAILURE).join('\n');
}

/** A file that could not be loaded has no tests of its own, and an error outside any test fails the run: each is one failure. */
function addResult(counts: Counts, result: VitestResult, isWell: boolean): void {
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const failed = result.numFailedTests + broken;
  add(counts, result.numPassedTests, isWell ? failed : Math.max(1, failed), result.numPendingTests);
}

function add(counts: Counts, passed: number, failed: number, skipped: number): void {
  counts.passed += passed;
  counts.failed += failed;
  counts.skipped += skipped;
}

for (const old of globSync('{apps,packages}/*/.results', { cwd: root })) rmSync(join(root, old), { recursive: true });
const { passed, failed, skipped } = count(await runTurbo());
console.log(`${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

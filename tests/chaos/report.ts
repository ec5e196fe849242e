// A run as people read it: the table, the states and how often each was hit, every violation with what was done to whom at
// that time; and the folder a failing run leaves.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Violation } from './audit/books.ts';
import type { Run } from './run-plan.ts';
import { toLine } from './world/timeline.ts';

const AROUND_MS = 6_000;
const MOST_SHOWN = 20;

export function toTable({ plan, findings, played: { hits, felt }, seconds, books }: Run): string {
  const jobs = plan.acts.reduce((sum, act) => sum + act.jobs.length, 0);
  const head = `seed ${plan.seed}: ${jobs} jobs and ${books.batches.length} batches over ${plan.acts.length} acts, images on ${plan.storage}${plan.hasLinks ? ', links' : ''}${plan.hasTwoKeys ? ', two upstream keys' : ''}${plan.hasTwoAccounts ? ', two accounts' : ''}, ${seconds.toFixed(0)} s`;
  const figures = Object.entries(findings.figures).map(([name, value]) => `  ${name.padEnd(56)} ${value}`);
  const states = [...hits].map(([state, count]) => `  ${state.padEnd(56)} ${count}`);
  const faults = [...felt].map(([fault, times]) => `  ${fault.padEnd(56)} ${times === 0 ? '0 (not felt)' : times}`);
  return [
    head,
    ...figures,
    'killed or frozen in',
    ...states,
    'felt',
    ...faults,
    `violations: ${findings.violations.length}`,
  ].join('\n');
}

/** The first violations in short; the folder has them in full. */
export function toComplaints({ findings: { violations } }: Run): string {
  const shown = violations
    .slice(0, MOST_SHOWN)
    .map(({ kind, jobId, message }) => `✗ ${kind}${jobId === null ? '' : ` ${jobId}`}: ${message.split('\n')[0]}`);
  const more = violations.length > MOST_SHOWN ? [`… and ${violations.length - MOST_SHOWN} more`] : [];
  return [...shown, ...more].join('\n');
}

/** With the job's part of the timeline. */
function toComplaint(run: Run, { kind, jobId, message }: Violation): string {
  return [`✗ ${kind}${jobId === null ? '' : ` ${jobId}`}`, `    ${message}`, ...aroundJob(run, jobId)].join('\n');
}

/** What was done to the service while the job's attempts ran. */
function aroundJob({ books }: Run, jobId: string | null): string[] {
  const attempts = books.jobs.find(({ job }) => job.id === jobId)?.attempts ?? [];
  const [first] = books.timeline;
  if (attempts.length === 0 || first === undefined) return [];
  const from = Math.min(...attempts.map(({ at }) => at)) - AROUND_MS;
  const to = Math.max(...attempts.map(({ at, endedAt }) => endedAt ?? at)) + AROUND_MS;
  return books.timeline.filter(({ at }) => at >= from && at <= to).map((entry) => `      ${toLine(entry, first.at)}`);
}

/** Writes everything that is known of a run; the folder's path. */
export function keepRun(run: Run, parent: string): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, `seed-${run.plan.seed}-`));
  const { books, plan, log } = run;
  const startedAt = books.timeline[0]?.at ?? 0;
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), `${text}\n`);
  write('report.txt', `${toTable(run)}\n\n${run.findings.violations.map((one) => toComplaint(run, one)).join('\n')}`);
  write('timeline.txt', books.timeline.map((entry) => toLine(entry, startedAt)).join('\n'));
  write(
    'books.json',
    JSON.stringify(books, (_, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value), 1),
  );
  write('plan.json', JSON.stringify(plan, null, 1));
  write(
    'processes.log',
    log.said.map(({ at, process, line }) => `${new Date(at).toISOString()} ${process} ${line}`).join('\n'),
  );
  return folder;
}

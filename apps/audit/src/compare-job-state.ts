// A job's counters and status against its calls, images and attempts. Pure.
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Finding } from './findings.ts';
import type { JobBooks } from './job-books.ts';

export function compareJobState({ record, counters }: Pick<JobBooks, 'record' | 'counters'>): Finding[] {
  return [...findWrongCounters(record, counters), ...findWrongEnd(record), ...findWrongRows(record)];
}

function findWrongCounters(record: JobRecord, counters: JobBooks['counters']): Finding[] {
  const counted: JobBooks['counters'] = {
    left: record.calls.filter(({ outcome }) => outcome === '').length,
    underWay: record.calls.filter(({ open }) => open !== 0).length,
    images: record.images.size,
    requested: record.spec.calls.reduce((sum, call) => sum + call.length, 0),
  };
  return (Object.keys(counted) as (keyof typeof counted)[])
    .filter((name) => counters[name] !== counted[name])
    .map((name) => ({
      kind: 'job_counters',
      subject: record.id,
      detail: `${name} is ${counters[name]}, the rows say ${counted[name]}`,
    }));
}

function findWrongEnd(record: JobRecord): Finding[] {
  const say = (detail: string): Finding[] => [{ kind: 'job_end', subject: record.id, detail }];
  const open = record.calls.filter(({ outcome }) => outcome === '').length;
  if (!hasEnded(record)) return open > 0 ? [] : say(`is ${record.status}, though every call has its outcome`);
  if (open > 0) return say(`is ${record.status}, though ${open} calls have no outcome`);
  const requested = record.spec.calls.reduce((sum, call) => sum + call.length, 0);
  const has = `has ${record.images.size} of ${requested} images`;
  return isBorneOut(record, requested) ? [] : say(`is ${record.status} and ${has}`);
}

function isBorneOut({ status, images }: JobRecord, requested: number): boolean {
  if (status === 'completed') return images.size >= requested;
  if (status === 'incomplete') return images.size > 0 && images.size < requested;
  return status === 'failed' ? images.size === 0 : images.size < requested;
}

function findWrongRows(record: JobRecord): Finding[] {
  const say = (detail: string): Finding => ({ kind: 'attempt_rows', subject: record.id, detail });
  const open = record.calls.flatMap(({ open: seq }, call) => (seq === 0 ? [] : [{ call, seq }]));
  const rows = record.attempts.filter(({ outcome }) => outcome === null);
  const without = open.filter(({ call, seq }) => !rows.some((row) => row.call === call && row.seq === seq));
  const orphans = rows.filter(({ call, seq }) => record.calls[call]?.open !== seq);
  const short = record.calls.flatMap(({ outcome }, call) =>
    outcome === 'succeeded' && (record.spec.calls[call] ?? []).some((index) => !record.images.has(index)) ? [call] : [],
  );
  return [
    ...without.map(({ call, seq }) => say(`call ${call} has attempt ${seq} open, which has no open row`)),
    ...orphans.map(({ call, seq }) => say(`attempt ${call}.${seq} is open, which its call does not know`)),
    ...short.map((call) => say(`call ${call} has succeeded without all its images`)),
  ];
}

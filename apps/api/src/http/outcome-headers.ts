// What Darkroom tells of a job in the headers of OpenAI-shaped replies.
import type { PublicJob } from '@darkroom/shared/jobs/public-job.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';

const LONGEST_WARNING = 2_000;

/** Of any reply about a job. */
export function jobHeaders({ id, spec }: JobRecord): Record<string, string> {
  const warning = toHeaderText(spec.warnings.join('; '));
  return {
    'x-darkroom-job-id': id,
    'x-darkroom-model': toHeaderText(spec.model),
    ...(warning === '' ? {} : { 'x-darkroom-warning': warning }),
  };
}

/** Of the reply with its outcome. */
export function outcomeHeaders(record: JobRecord, { status, usage }: PublicJob): Record<string, string> {
  return {
    ...jobHeaders(record),
    ...(usage.cost_usd === null ? {} : { 'x-darkroom-cost-usd': String(usage.cost_usd) }),
    ...(status === 'completed' || record.images.size === 0 ? {} : { 'x-darkroom-status': 'incomplete' }),
  };
}

/** Visible ASCII and spaces: what else stands in it comes from callers, and may mean something to who reads headers. */
function toHeaderText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, LONGEST_WARNING)
    .trim();
}

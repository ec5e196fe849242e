// Which of an account's events a stream carries.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isBatchId, isJobId } from '@darkroom/shared/base/ids.ts';
import { EVENT_TYPES, type EventEntry } from '@darkroom/shared/jobs/event-log.ts';
import { nearestNames } from '@darkroom/shared/models/rules.ts';
import type { Query } from '../query.ts';
import { LAST_EVENT_ID } from './last-event-id.ts';

export interface EventFilter {
  readonly types?: ReadonlySet<string>;
  readonly jobId?: string;
  readonly batchId?: string;
  /** Of the job or batch. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export const EVENT_PARAMETERS = { names: ['types', 'job_id', 'batch_id', LAST_EVENT_ID], maps: ['metadata'] };

/** Throws one ServiceError for all bad values. */
export function parseEventFilter(query: Query): EventFilter {
  const problems: ServiceError[] = [];
  const readId = (name: string, isId: (text: string) => boolean, what: string): string | null => {
    const text = query.get(name);
    if (text === null || isId(text)) return text;
    problems.push(invalid(name, `it must be the id of a ${what}.`));
    return null;
  };
  const types = query.get('types')?.split(',') ?? [];
  problems.push(...types.flatMap(problemOfType));
  const jobId = readId('job_id', isJobId, 'job');
  const batchId = readId('batch_id', isBatchId, 'batch');
  const metadata = query.map('metadata');
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
  return {
    ...(types.length === 0 ? {} : { types: new Set(types) }),
    ...(jobId === null ? {} : { jobId }),
    ...(batchId === null ? {} : { batchId }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
  };
}

function problemOfType(type: string): ServiceError[] {
  if (EVENT_TYPES.includes(type)) return [];
  const near = nearestNames(type, EVENT_TYPES)[0];
  const hint = near === undefined ? `it must be a list of ${EVENT_TYPES.join(', ')}.` : `did you mean '${near}'?`;
  return [invalid('types', `'${type.slice(0, 64)}' is no type of event; ${hint}`)];
}

function invalid(param: string, why: string): ServiceError {
  return new ServiceError('invalid_value', `Invalid value for '${param}': ${why}`, { param });
}

/** What can be said before the job or batch is read. */
export function fitsEntry(filter: EventFilter, entry: EventEntry): boolean {
  return (
    (filter.types === undefined || filter.types.has(entry.type)) &&
    (filter.jobId === undefined || filter.jobId === entry.jobId) &&
    (filter.batchId === undefined || filter.batchId === entry.batchId)
  );
}

export function fits(filter: EventFilter, { entry, metadata }: Described): boolean {
  return (
    fitsEntry(filter, entry) && Object.entries(filter.metadata ?? {}).every(([key, value]) => metadata[key] === value)
  );
}

interface Described {
  readonly entry: EventEntry;
  /** Of the job or batch. */
  readonly metadata: Readonly<Record<string, string>>;
}

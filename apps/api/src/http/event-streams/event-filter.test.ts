import type { EventEntry } from '@darkroom/shared/jobs/event-log.ts';
import { describe, expect, it } from 'vitest';
import { type EventFilter, fits, fitsEntry, parseEventFilter } from './event-filter.ts';

const JOB = 'job_01kb4xwqf7c0v3m8r5y2d9tz6n';
const BATCH = 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n';

function entry(fields: Partial<EventEntry>): EventEntry {
  const base = {
    id: '1-0',
    type: 'job.failed',
    jobId: JOB,
    batchId: null,
    status: 'failed',
    run: 1,
    sequence: 1,
    image: null,
  };
  return { ...base, ...fields };
}

describe('a filter', () => {
  it.each<[string, EventFilter, Partial<EventEntry>, boolean]>([
    ['nothing', {}, {}, true],
    ['its type', { types: new Set(['job.failed']) }, {}, true],
    ['another type', { types: new Set(['job.expired', 'image.completed']) }, {}, false],
    ['its job', { jobId: JOB }, {}, true],
    ['another job', { jobId: `${JOB}-2` }, {}, false],
    ['its batch', { batchId: BATCH }, { batchId: BATCH }, true],
    ['a batch it has not', { batchId: BATCH }, {}, false],
    ['its batch and another type', { batchId: BATCH, types: new Set(['job.expired']) }, { batchId: BATCH }, false],
    ['a job, for an event of a batch', { jobId: JOB }, { jobId: null, batchId: BATCH }, false],
  ])('that names %s', (_what, filter, fields, expected) => {
    expect(fitsEntry(filter, entry(fields))).toBe(expected);
  });

  it.each<[Record<string, string>, Record<string, string>, boolean]>([
    [{}, {}, true],
    [{ order: '42' }, { order: '42', x: 'y' }, true],
    [{ order: '42', x: 'z' }, { order: '42', x: 'y' }, false],
    [{ order: '42' }, {}, false],
  ])('of metadata %j on %j', (wanted, metadata, expected) => {
    expect(fits({ metadata: wanted }, { entry: entry({}), metadata })).toBe(expected);
  });
});

describe('a query', () => {
  const query = (values: Record<string, string>, metadata: Record<string, string> = {}) => ({
    get: (name: string) => values[name] ?? null,
    map: () => metadata,
  });

  it('becomes a filter of what it names, and of nothing else', () => {
    expect(parseEventFilter(query({}))).toEqual({});
    expect(
      parseEventFilter(query({ types: 'job.failed,job.expired', job_id: JOB, batch_id: BATCH }, { order: '42' })),
    ).toEqual({ types: new Set(['job.failed', 'job.expired']), jobId: JOB, batchId: BATCH, metadata: { order: '42' } });
  });

  it.each(['', 'job.failed,', 'job.fail', 'snapshot', '*'])('of the types «%s» is refused', (types) => {
    expect(() => parseEventFilter(query({ types }))).toThrow("Invalid value for 'types'");
  });
});

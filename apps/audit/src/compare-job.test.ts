// Each thing that may be wrong with a job, one at a time, on books made by hand.
import type { AttemptRow, CallState, ImageRow, JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { describe, expect, test } from 'vitest';
import { compareJob } from './compare-job.ts';
import type { JobBooks } from './job-books.ts';

const NOW = 10_000_000;
const TIMES = { now: NOW, callTimeoutMs: 600_000, lockMs: 60_000 };
const ID = 'job_a';
const DONE: CallState = { attempts: 0, failed: 0, unknown: 0, moderated: 0, open: 0, outcome: 'succeeded' };
const FAILED: CallState = { ...DONE, outcome: 'failed', error: { code: 'server_error' } };
const OPEN: CallState = { ...DONE, outcome: '' };

type Row = JobRecord['attempts'][number];

function image(index: number): ImageRow {
  const key = `images/acme/${ID}/${index}.png`;
  const facts = { contentType: 'image/png', bytes: 9, width: 1, height: 1, sha256: 'aa', revisedPrompt: null };
  return { index, key, ...facts };
}

function paid(seq: number, changes: Partial<AttemptRow> = {}): Row {
  const base = { at: NOW - 5_000, endedAt: NOW - 1_000, run: 1, upstreamKey: 'default', images: [0] };
  return { ...base, call: 0, seq, outcome: 'succeeded', costMicroUsd: 1, ...changes };
}

/** Of two images one came. */
const SHORT = paid(1, { images: [0, 1], cameImages: 1, extraMicroUsd: 1 });

interface Case {
  readonly status?: JobRecord['status'];
  readonly calls?: readonly CallState[];
  readonly indexes?: readonly (readonly number[])[];
  readonly attempts?: readonly Row[];
  readonly images?: readonly number[];
  readonly stored?: readonly string[];
  readonly run?: number;
  readonly books?: Partial<JobBooks>;
  readonly record?: Partial<JobRecord>;
}

/** A job of one image, completed, unless the case says otherwise; what follows from its rows does so. */
function booksOf(given: Case): JobBooks {
  const { calls = [DONE], indexes = [[0]], images = [0], status = 'completed' } = given;
  const rows = images.map(image);
  const spec = {
    account: 'acme',
    calls: indexes,
    outputFormat: 'png',
    expiresAfterSeconds: 3_600,
  } as unknown as JobSpec;
  const hasEnded = status !== 'queued' && status !== 'in_progress';
  const stored = given.stored ?? rows.flatMap(({ key }) => [key, `${key}.json`]);
  return {
    record: {
      id: ID,
      spec,
      status,
      run: given.run ?? 1,
      createdAt: NOW - 500_000,
      startedAt: null,
      finishedAt: hasEnded ? NOW : null,
      expiresAt: NOW + 3_100_000,
      cancelAt: null,
      calls,
      attempts: given.attempts ?? [paid(1)],
      images: new Map(rows.map((row) => [row.index, row])),
      sequence: 1,
      lastEvent: null,
      ...given.record,
    },
    counters: {
      left: calls.filter(({ outcome }) => outcome === '').length,
      underWay: calls.filter(({ open }) => open > 0).length,
      images: images.length,
      requested: indexes.flat().length,
    },
    stored: new Map(stored.map((key) => [key, key.endsWith('.json') ? 2 : 9])),
    hashes: new Map(),
    isListed: true,
    isListedOpen: !hasEnded,
    queued: new Set(calls.keys()),
    spooled: new Set(),
    missingInputs: [],
    ...given.books,
  };
}

function kindsOf(given: Case): string[] {
  return compareJob(booksOf(given), TIMES).map(({ kind, detail }) => `${kind}: ${detail}`);
}

const UNDER_WAY: Case = {
  status: 'in_progress',
  calls: [{ ...OPEN, attempts: 1, open: 1 }],
  attempts: [paid(1, { outcome: null })],
  images: [],
};
const SPOOLED = { until: NOW + 1_000, host: 'h', images: 1 };

describe('nothing is wrong with a job', () => {
  const CASES: readonly (readonly [string, Case])[] = [
    ['that is completed', {}],
    ['that waits', { status: 'queued', calls: [OPEN], attempts: [], images: [] }],
    ['with a call under way', UNDER_WAY],
    ['whose image is stored and not recorded yet', { ...UNDER_WAY, stored: [image(0).key, `${image(0).key}.json`] }],
    ['with an original beside its image', { stored: [image(0).key, `images/acme/${ID}/0.original.png`] }],
    [
      'with bytes kept that are no image',
      { calls: [FAILED], status: 'failed', images: [], attempts: [], stored: [`images/acme/${ID}/0.unreadable.bin`] },
    ],
    ['of which a part failed', { status: 'incomplete', indexes: [[0], [1]], calls: [DONE, FAILED] }],
    [
      'whose reply was short',
      {
        status: 'incomplete',
        indexes: [[0, 1]],
        calls: [FAILED],
        attempts: [SHORT],
      },
    ],
    [
      'whose answer is spooled, however long',
      {
        ...UNDER_WAY,
        calls: [{ ...OPEN, open: 1, spooled: 1 }],
        attempts: [paid(1, { outcome: null, at: 0, spooled: SPOOLED })],
        books: { spooled: new Set(['0 1']), queued: new Set() },
      },
    ],
    [
      'whose outcome is unknown',
      {
        status: 'failed',
        calls: [FAILED],
        images: [],
        attempts: [{ ...paid(1, { outcome: 'unknown' }), costMicroUsd: undefined as never }],
      },
    ],
    [
      'without an item for less than a minute',
      {
        status: 'queued',
        calls: [OPEN],
        attempts: [],
        images: [],
        books: { queued: new Set() },
        record: { createdAt: NOW - 50_000, expiresAt: NOW + 3_550_000 },
      },
    ],
    ['past its time with a call under way', { ...UNDER_WAY, record: { expiresAt: 1 } }],
  ];
  test.each(CASES)('%s', (_, given) => {
    // An unknown cost is absent, never undefined.
    const attempts = given.attempts?.map((row) => JSON.parse(JSON.stringify(row)) as Row);
    expect(kindsOf(attempts === undefined ? given : { ...given, attempts })).toEqual([]);
  });
});

describe('it is found that', () => {
  const CASES: readonly (readonly [string, Case, readonly string[]])[] = [
    ['an image is missing', { stored: [] }, ['image_missing: image 0']],
    [
      'an image has another size',
      { books: { stored: new Map([[image(0).key, 8]]) } },
      ['image_differs: image 0 has 8 bytes, recorded are 9'],
    ],
    [
      'an image has another hash',
      { books: { hashes: new Map([[image(0).key, 'bb']]) } },
      ['image_differs: image 0 has another SHA-256'],
    ],
    [
      'something else lies there',
      { stored: [image(0).key, `images/acme/${ID}/7.png`] },
      [`image_unlisted: images/acme/${ID}/7.png`],
    ],
    [
      'a paid image came too late',
      { status: 'failed', calls: [FAILED], images: [], stored: [image(0).key] },
      [`image_late: ${image(0).key}`, 'paid_image_lost: image 0, attempt 0.1'],
    ],
    [
      'a paid image is nowhere',
      { status: 'cancelled', calls: [{ ...FAILED, outcome: 'withheld' }], images: [] },
      ['paid_image_missing: image 0, attempt 0.1'],
    ],
    [
      'one of a short reply is nowhere',
      {
        status: 'cancelled',
        calls: [{ ...FAILED, outcome: 'withheld' }],
        images: [],
        attempts: [SHORT],
      },
      ['paid_image_missing: image 0, attempt 0.1'],
    ],
    [
      'a paid image was lost with its worker',
      {
        status: 'cancelled',
        calls: [{ ...FAILED, outcome: 'withheld' }],
        images: [],
        attempts: [paid(1, { code: 'worker_lost' })],
      },
      ['paid_image_lost: image 0, attempt 0.1'],
    ],
    [
      'a paid image was reported lost',
      { status: 'failed', calls: [FAILED], images: [] },
      ['paid_image_lost: image 0, attempt 0.1'],
    ],
    ['an image was bought twice', { attempts: [paid(1), paid(2)] }, ['bought_twice: image 0, attempt 0.2']],
    [
      'the third purchase is the one without a reason',
      { attempts: [paid(1, { outcome: 'unknown' }), paid(2), paid(3)] },
      ['bought_twice_flagged: image 0, attempt 0.2', 'bought_twice: image 0, attempt 0.3'],
    ],
    [
      'a lost worker explains a second purchase',
      { attempts: [paid(1, { code: 'worker_lost' }), paid(2)] },
      ['bought_twice_flagged: image 0, attempt 0.2'],
    ],
    [
      'a short reply explains it for the images that did not come',
      { indexes: [[0, 1]], images: [0, 1], attempts: [SHORT, paid(2, { images: [1] })] },
      ['bought_twice_flagged: image 1, attempt 0.2'],
    ],
    [
      'a short reply does not explain it for those that came',
      { indexes: [[0, 1]], images: [0, 1], attempts: [SHORT, paid(2, { images: [0, 1] })] },
      ['bought_twice: image 0, attempt 0.2', 'bought_twice_flagged: image 1, attempt 0.2'],
    ],
    [
      'nor does one that broke off without its price, and is not short',
      { attempts: [paid(1, { costMicroUsd: null, extraMicroUsd: 1 }), paid(2)] },
      ['bought_twice: image 0, attempt 0.2'],
    ],
    [
      'an earlier run explains it',
      { run: 2, attempts: [paid(1), paid(2, { run: 2 })] },
      ['bought_twice_flagged: image 0, attempt 0.2'],
    ],
    [
      'an attempt is stale',
      { ...UNDER_WAY, attempts: [paid(1, { outcome: null, at: NOW - 660_001 })] },
      ['attempt_stale: attempt 0.1'],
    ],
    [
      'a spooled answer is not listed',
      {
        ...UNDER_WAY,
        calls: [{ ...OPEN, open: 1, spooled: 1 }],
        attempts: [paid(1, { outcome: null, spooled: SPOOLED })],
      },
      ['spool_books: attempt 0.1 is not on the list of spooled answers'],
    ],
    [
      'a job waits that has no open call',
      { status: 'queued' },
      ['job_end: is queued, though every call has its outcome'],
    ],
    ['an incomplete job has all images', { status: 'incomplete' }, ['job_end: is incomplete and has 1 of 1 images']],
    [
      'a call has an attempt open that has no row',
      { ...UNDER_WAY, attempts: [] },
      ['attempt_rows: call 0 has attempt 1 open, which has no open row'],
    ],
    [
      'a call succeeded without its image',
      { status: 'failed', images: [], attempts: [] },
      ['attempt_rows: call 0 has succeeded without all its images'],
    ],
    ['it stands on no list of its account', { books: { isListed: false } }, ['job_unlisted: account acme']],
    [
      'an open job is not among the open ones',
      { ...UNDER_WAY, books: { isListedOpen: false } },
      ['open_list: is missing'],
    ],
    [
      'a call has no item',
      { status: 'queued', calls: [OPEN], attempts: [], images: [], books: { queued: new Set() } },
      ['call_without_item: call 0'],
    ],
    [
      'its time is over',
      { status: 'queued', calls: [OPEN], attempts: [], images: [], record: { expiresAt: NOW - 60_001 } },
      ['job_overdue: call 0'],
    ],
    ['its input is gone', { ...UNDER_WAY, books: { missingInputs: ['ab'] } }, ['input_missing: ab']],
  ];
  test.each(CASES)('%s', (_, given, expected) => {
    expect(kindsOf(given)).toEqual(expected);
  });
});

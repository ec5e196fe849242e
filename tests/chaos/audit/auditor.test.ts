import { describe, expect, test } from 'vitest';
import type { HeardEvent } from '../load/notes.ts';
import { audit } from './auditor.ts';
import type { AttemptBook, Books, JobBook } from './books.ts';
import { cutReply, goodBooks, type Name, shaOf } from './test-books.ts';

type Damage = (books: Books) => Books;

function withJob(name: Name, change: (book: JobBook) => JobBook): Damage {
  return (books) => ({
    ...books,
    jobs: books.jobs.map((book) => (book.job.id === `job_${name}` ? change(book) : book)),
  });
}

function withStatus(status: string): (book: JobBook) => JobBook {
  return (book) => ({ ...book, job: { ...book.job, status: status as JobBook['job']['status'] } });
}

function withAttempt(name: Name, seq: number, change: Partial<AttemptBook>): Damage {
  return withJob(name, (book) => ({
    ...book,
    attempts: book.attempts.map((row) => (row.seq === seq ? { ...row, ...change } : row)),
  }));
}

function withUsage(cost: number, extra: number): (book: JobBook) => JobBook {
  return (book) => ({
    ...book,
    job: { ...book.job, usage: { ...book.job.usage, cost_usd: cost, possible_extra_cost_usd: extra } },
  });
}

function withHeard(change: (heard: readonly HeardEvent[]) => readonly HeardEvent[]): Damage {
  return (books) => ({ ...books, streams: books.streams.map((one) => ({ ...one, heard: change(one.heard) })) });
}

/** The job's only image is neither listed nor stored. */
function withoutImage(name: Name): Damage {
  return (books) =>
    withJob(name, (book) => ({ ...book, job: { ...book.job, images: [] } }))({
      ...books,
      objects: books.objects.filter(({ key }) => !key.includes(`job_${name}/`)),
    });
}

function kindsOf(books: Books): string[] {
  return [...new Set(audit(books).violations.map(({ kind }) => kind))];
}

const first = <T>([one]: readonly T[]): T => {
  if (one === undefined) throw new TypeError('nothing there');
  return one;
};

test('books in good order have no violation, and the second purchase is counted', () => {
  const { violations, figures } = audit(goodBooks());
  expect(violations).toEqual([]);
  expect(figures).toMatchObject({
    'jobs recorded': 3,
    'images billed': 4,
    '  stored': 3,
    '  not answered: in flight at a kill': 1,
    'images bought twice': 1,
    '  in flight at the kill': 1,
    '  answered, then crashed': 0,
  });
});

test('an attempt of another call that was not sent is not taken for the one whose outcome is unknown', () => {
  const books = withJob('again', (book) => {
    const lost = first(book.attempts);
    const unsent = { ...lost, call: 1, at: lost.at + 1, outcome: 'failed' as const, code: 'lock_ran_out' };
    return { ...book, attempts: [lost, unsent, ...book.attempts.slice(1)] };
  })(goodBooks());
  expect(kindsOf(books)).toEqual([]);
});

function withCutReply(again: readonly number[]): Damage {
  return (books) => cutReply(books, again);
}

const DAMAGES: readonly (readonly [kind: string, what: string, damage: Damage])[] = [
  ['job lost', 'a promised job is not there', (books) => ({ ...books, jobs: books.jobs.slice(1) })],
  ['job without end', 'a job is still under way', withJob('good', withStatus('in_progress'))],
  ['attempt without end', 'an attempt is still open', withAttempt('good', 1, { outcome: null })],
  ['not at rest', 'an answer is still spooled', (books) => ({ ...books, unrest: { ...books.unrest, spooled: 1 } })],
  [
    'one request made two jobs',
    'a mark is there twice',
    (books) => ({
      ...books,
      jobs: [...books.jobs, { ...first(books.jobs), job: { ...first(books.jobs).job, id: 'job_twin' } }],
    }),
  ],
  [
    'one request, two job ids',
    'a client was told two ids',
    (books) => ({
      ...books,
      notes: books.notes.map((note, at) => (at === 0 ? { ...note, jobIds: ['job_good', 'job_again'] } : note)),
    }),
  ],
  [
    'batch not whole',
    'a line is there twice',
    (books) => ({ ...books, batches: books.batches.map((batch) => ({ ...batch, lines: new Map([['line-0', 2]]) })) }),
  ],
  [
    'batch not whole',
    'a batch has not ended',
    (books) => ({ ...books, batches: books.batches.map((batch) => ({ ...batch, status: 'in_progress' })) }),
  ],
  [
    'sync client answered wrongly',
    'it was given another job’s image',
    (books) => ({
      ...books,
      notes: books.notes.map((note) => (note.images === null ? note : { ...note, images: [shaOf('good', 1)] })),
    }),
  ],
  [
    'sync client answered wrongly',
    'it was given nothing',
    (books) => ({
      ...books,
      notes: books.notes.map((note) => (note.images === null ? note : { ...note, images: [] })),
    }),
  ],
  [
    'process ended by itself',
    'a worker crashed',
    (books) => ({
      ...books,
      timeline: [...books.timeline, { at: 1, what: 'ended by itself', process: 'worker-1', facts: {} }],
    }),
  ],
  [
    'job of another account',
    'a job stands in a list it was not asked for',
    withJob('good', (book) => ({ ...book, account: 'two' })),
  ],
  [
    'bought twice, though on_unknown is fail',
    'its caller had forbidden it',
    (books) => ({
      ...books,
      notes: books.notes.map((note) => ({ ...note, job: { ...note.job, envelope: { on_unknown: 'fail' } } })),
    }),
  ],
  [
    'bought again with another upstream key',
    'one key was billed, then another',
    (books) => ({
      ...books,
      ledger: {
        ...books.ledger,
        requests: books.ledger.requests.map((one) => (one.id === 'req_again_2' ? { ...one, key: 'k002' } : one)),
      },
    }),
  ],
  [
    'a request without an attempt',
    'a request was sent past the gate',
    withJob('good', (book) => ({ ...book, attempts: [] })),
  ],
  ['answered and missing', 'an answered image is nowhere', withoutImage('good')],
  [
    'spooled and missing',
    'an answer Redis knew to be spooled was lost with its process',
    (books) =>
      withAttempt('good', 1, { outcome: 'unknown', code: 'worker_lost' })(
        withoutImage('good')({
          ...books,
          spooled: [{ jobId: 'job_good', call: 0, seq: 1, process: 'worker-1', at: 1_000_350 }],
          timeline: [...books.timeline, { at: 1_000_400, what: 'kill', process: 'worker-1', facts: {} }],
        }),
      ),
  ],
  [
    'answered and missing',
    'its process was killed long after the answer',
    (books) =>
      withoutImage('good')({
        ...books,
        timeline: [...books.timeline, { at: 1_020_000, what: 'kill', process: 'worker-1', facts: {} }],
      }),
  ],
  [
    'answered, and lost with its process, and not shown',
    'its process was killed, and the attempt says nothing of it',
    (books) =>
      withoutImage('good')({
        ...books,
        timeline: [...books.timeline, { at: 1_000_400, what: 'kill', process: 'worker-1', facts: {} }],
      }),
  ],
  [
    'answered, and lost with its process, and not shown',
    'a job with links says result_lost, but its attempt did not succeed',
    (books) =>
      withAttempt('good', 1, { outcome: 'failed' })(
        withoutImage('good')({
          ...books,
          hasLinks: true,
          timeline: [...books.timeline, { at: 1_000_400, what: 'kill', process: 'worker-1', facts: {} }],
        }),
      ),
  ],
  [
    'not answered: lost upstream or on the way, and not shown',
    'a lost purchase is not shown',
    withAttempt('again', 1, { outcome: 'failed', code: null }),
  ],
  [
    'bought twice, and not shown',
    'a second purchase is not shown',
    withAttempt('again', 1, { outcome: 'failed', code: null }),
  ],
  [
    'bought twice, and not shown',
    'images that had come before a reply broke off were bought again with the one that had not',
    withCutReply([0, 1, 2]),
  ],
  [
    'not answered: lost upstream or on the way, and not shown',
    'an image that had come before a reply broke off is nowhere',
    (books) => {
      const cut = withCutReply([2])(books);
      return { ...cut, objects: cut.objects.filter(({ sha256 }) => sha256 !== 'b') };
    },
  ],
  [
    'stored, and not listed by its job, and not shown',
    'an image lies in storage beside the record',
    withJob('good', (book) => ({ ...book, job: { ...book.job, images: [] } })),
  ],
  [
    'image listed and not stored',
    'a listed image is not in storage',
    (books) => ({ ...books, objects: books.objects.slice(1) }),
  ],
  [
    'image listed and not stored',
    'a listed image has another size',
    (books) => ({ ...books, objects: books.objects.map((one) => ({ ...one, bytes: 6 })) }),
  ],
  [
    'image listed that nobody made',
    'a listed image is not the upstream’s',
    (books) => ({
      ...books,
      ledger: {
        ...books.ledger,
        images: books.ledger.images.map((image) => ({ ...image, sha256: `not ${image.sha256}` })),
      },
    }),
  ],
  [
    'object without a job',
    'storage has an image of no job',
    (books) => ({
      ...books,
      objects: [...books.objects, { key: 'images/default/job_x/0.png', bytes: 1, sha256: 'x' }],
    }),
  ],
  ['cost too low', 'less is told than was billed', withJob('again', withUsage(0.01, 0))],
  ['cost too high', 'more is told than was billed', withJob('good', withUsage(0.03, 0))],
  ['event missing', 'a follower missed one', withHeard((heard) => heard.slice(1))],
  [
    'event missing',
    'a job has ended, and never said so',
    (books) =>
      withJob('sync', (book) => ({ ...book, sequence: 2 }))(
        withHeard((heard) => heard.filter(({ id }) => id !== 'evt_sync_3'))(books),
      ),
  ],
  [
    'event missing',
    'the receiver never heard the end',
    (books) => ({ ...books, webhooks: books.webhooks.slice(0, 1) }),
  ],
  [
    'event doubled under another id',
    'an end was told twice',
    withHeard((heard) => [...heard, { ...first(heard.slice(2)), id: 'evt_good_9' }]),
  ],
  [
    'npm run audit finds a problem',
    'the operator’s audit complains',
    (books) => ({ ...books, system: { problems: [{ kind: 'x', count: 1, first: '' }] } }),
  ],
];

describe('the auditor finds', () => {
  test.each(DAMAGES)('%s: %s', (kind, _, damage) => {
    expect(kindsOf(damage(goodBooks()))).toContain(kind);
  });
});

describe('the auditor lets pass', () => {
  test('a reply that broke off after two of three images, and the purchase of the third alone', () => {
    const { violations, figures } = audit(withCutReply([2])(goodBooks()));
    expect(violations).toEqual([]);
    expect(figures).toMatchObject({ 'images bought twice': 2, '  lost upstream or on the way': 1, '  not shown': 0 });
  });

  test('an answer that was spooled when its call had been sent again', () => {
    const books = goodBooks();
    const delivered = [
      ...books.delivered,
      { requestId: 'req_again_1', process: 'worker-1', at: 1_000_300, status: 200 },
    ];
    const requests = books.ledger.requests.map((row) => ({ ...row, outcome: 'answered' }));
    const spooled = [{ jobId: 'job_again', call: 0, seq: 1, process: 'worker-1', at: 1_001_000 }];
    const late = { ...books, delivered, spooled, ledger: { ...books.ledger, requests } };
    expect(kindsOf(late)).toEqual([]);
    expect(kindsOf({ ...late, spooled: spooled.map((one) => ({ ...one, at: 1_000_400 })) })).toEqual([
      'spooled and missing',
    ]);
  });

  test('an image lost with a process that was killed right after the answer, when that is shown', () => {
    const books = goodBooks();
    const damaged = withAttempt('good', 1, { outcome: 'unknown', code: 'worker_lost' })(withoutImage('good')(books));
    const { violations, figures } = audit({
      ...damaged,
      timeline: [...books.timeline, { at: 1_000_400, what: 'kill', process: 'worker-1', facts: {} }],
    });
    expect(violations).toEqual([]);
    expect(figures['  answered, and lost with its process']).toBe(1);
  });

  test('an image whose link died, when the job says so', () => {
    const books = withJob('good', (book) => ({
      ...book,
      job: { ...book.job, errors: [{ index: 0, code: 'result_lost' }] as unknown as JobBook['job']['errors'] },
    }))(withoutImage('good')({ ...goodBooks(), hasLinks: true }));
    expect(kindsOf(books)).toEqual([]);
  });

  test('an image that its job’s end told to be lost, and bought again because the caller had it retried', () => {
    const again = withJob('again', (book) => ({
      ...book,
      attempts: book.attempts.map((row) => ({
        ...row,
        run: row.seq,
        outcome: 'succeeded',
        code: null,
        requestId: `req_again_${row.seq}`,
        costUsd: 0.02,
      })),
      job: { ...book.job, run: 2 },
    }))({ ...goodBooks(), hasLinks: true });
    const untold = {
      ...again,
      delivered: [...again.delivered, { ...first(again.delivered), requestId: 'req_again_1' }],
    };
    expect(kindsOf(untold)).toContain('bought twice, and not shown');
    const told = withHeard((heard) =>
      heard.map((event) => (event.subject === 'job_again' && event.once === 'end' ? { ...event, lost: [0] } : event)),
    )(untold);
    expect(kindsOf(told).filter((kind) => /bought|answered/.test(kind))).toEqual([]);
  });

  test('a repeat with another key, once the first key was not to be reached for it', () => {
    const elsewhere = (books: Books): Books => ({
      ...books,
      ledger: {
        ...books.ledger,
        requests: books.ledger.requests.map((one) => (one.id === 'req_again_2' ? { ...one, key: 'k002' } : one)),
      },
    });
    const between = { outcome: 'failed', code: 'upstream_unreachable', requestId: null, costUsd: null };
    const books = withJob('again', (book) => {
      const [lost, bought] = book.attempts.map((row) => ({ ...row }));
      if (lost === undefined || bought === undefined) throw new Error('two attempts are expected');
      const refused = { ...bought, ...between, at: bought.at - 5, endedAt: bought.at - 4 };
      return { ...book, attempts: [lost, refused, { ...bought, seq: 3 }] };
    })(elsewhere(goodBooks()));
    expect(kindsOf(elsewhere(goodBooks()))).toContain('bought again with another upstream key');
    expect(kindsOf(books)).not.toContain('bought again with another upstream key');
  });

  test('an event that came twice under one id, and counts it', () => {
    const books = goodBooks();
    const { violations, figures } = audit({ ...books, webhooks: [...books.webhooks, first(books.webhooks)] });
    expect(violations).toEqual([]);
    expect(figures['events doubled under the same id']).toBe(1);
  });

  test('a reply that broke off with its connection before it was read', () => {
    const lost = withAttempt('good', 1, { outcome: 'unknown', code: 'outcome_unknown' })(
      withoutImage('good')(goodBooks()),
    );
    const cut = { at: 1_000_400, what: 'upstream cut', process: null, facts: {} };
    expect(kindsOf(lost)).toEqual(['answered and missing']);
    expect(kindsOf({ ...lost, timeline: [...lost.timeline, cut] })).toEqual([]);
  });

  test('a second answer while the first attempt, taken for lost, brought the image', () => {
    const books = withJob('again', (book) => ({
      ...book,
      attempts: book.attempts.map((row) => ({
        ...row,
        outcome: 'succeeded',
        requestId: `req_again_${row.seq}`,
        endedAt: 1_001_400,
        costUsd: 0.01,
        code: row.seq === 1 ? 'worker_lost' : null,
      })),
      job: { ...book.job, images: book.job.images.map((image) => ({ ...image, sha256: shaOf('again', 1) })) },
    }))(goodBooks());
    const delivered = [
      ...books.delivered,
      { requestId: 'req_again_1', process: 'worker-1', at: 1_001_350, status: 200 },
    ];
    const objects = books.objects.map((one) =>
      one.key.includes('again') ? { ...one, sha256: shaOf('again', 1) } : one,
    );
    expect(kindsOf({ ...books, delivered, objects })).toEqual([]);
  });

  test('an event its receiver has refused and is still to get', () => {
    const books = goodBooks();
    const [heard, ...rest] = books.webhooks;
    const refused = { id: heard?.id ?? '', state: 'pending', tries: [{ status: 503, error: null }] };
    expect(kindsOf({ ...books, webhooks: rest, deliveries: [refused] })).toEqual([]);
  });

  test('one end for each run of a job', () => {
    const books = withJob('good', (book) => ({ ...book, job: { ...book.job, run: 2 } }))(goodBooks());
    const twice = withHeard((heard) => [...heard, { ...first(heard.slice(2)), id: 'evt_good_4' }]);
    expect(kindsOf(twice(books))).toEqual([]);
  });
});

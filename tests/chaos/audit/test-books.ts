// Hand-made books of a run in good order, to be damaged by tests: one worker was killed over one of three jobs.
import type { Job, JobImage } from '../../support/api.ts';
import type { LedgerImage, LedgerRequest } from '../../support/simulator.ts';
import { type HeardEvent, openNote } from '../load/notes.ts';
import type { PlannedJob } from '../load/planned-jobs.ts';
import type { AttemptBook, Books, JobBook } from './books.ts';

const START = 1_000_000;
const PRICE_USD = 0.01;

/** `good`: bought once · `again`: its worker was killed in flight, then bought again · `sync`: asked for by a sync client. */
export type Name = 'good' | 'again' | 'sync';

export function goodBooks(): Books {
  const requests = [
    toRequest('good', 1, 'answered'),
    toRequest('again', 1, 'client_gone'),
    toRequest('again', 2, 'answered'),
    toRequest('sync', 1, 'answered'),
  ];
  const images = requests.map(toImage);
  const jobs = [
    jobBook('good', [attempt('good', 1)]),
    jobBook('again', [
      { ...attempt('again', 1), outcome: 'unknown', code: 'worker_lost', requestId: null, costUsd: null },
      attempt('again', 2),
    ]),
    jobBook('sync', [attempt('sync', 1)]),
  ];
  return {
    hasLinks: false,
    notes: (['good', 'again', 'sync'] as const).map((name) => ({
      ...openNote(planned(name)),
      jobIds: [`job_${name}`],
      status: 200,
      images: name === 'sync' ? [shaOf('sync', 1)] : null,
    })),
    batches: [
      {
        note: { batch: { id: 'b', account: 'one', lines: 1 }, batchId: 'batch_b' },
        status: 'completed',
        lines: new Map([['line-0', 1]]),
      },
    ],
    jobs,
    ledger: { requests, images },
    objects: (['good', 'again', 'sync'] as const).map((name) => ({
      key: `images/default/job_${name}/0.png`,
      bytes: 5,
      sha256: shaOf(name, name === 'again' ? 2 : 1),
    })),
    delivered: requests
      .filter(({ outcome }) => outcome === 'answered')
      .map(({ id }) => ({ requestId: id, process: 'worker-1', at: START + 300, status: 200 })),
    spooled: [],
    streams: [{ account: 'one', heard: jobs.flatMap(eventsOf) }],
    webhooks: jobs
      .flatMap(eventsOf)
      .filter(({ subject, type }) => subject === 'job_good' && type !== 'job.in_progress'),
    deliveries: [],
    timeline: [
      { at: START - 500, what: 'live', process: 'worker-1', facts: {} },
      { at: START + 100, what: 'kill', process: 'worker-2', facts: {} },
    ],
    unrest: { openJobs: 0, openBatches: 0, spooled: 0, spoolFiles: 0, outbox: 0, dueWebhooks: 0 },
    system: { problems: [] },
  };
}

/** The first job has asked for three images, and its reply broke off when two were whole: these were bought `again` after it. */
export function cutReply(books: Books, again: readonly number[]): Books {
  const [book, ...jobs] = books.jobs;
  const [request, ...requests] = books.ledger.requests;
  const [image, ...images] = books.ledger.images;
  if (book === undefined || request === undefined || image === undefined) throw new TypeError('no first job');
  const [cut, repeat] = [attempt('good', 1), attempt('good', 2)];
  const billed = ['a', 'b', 'c'].map((letter) => ({ ...image, sha256: letter }));
  const anew = again.map((index) => ({ ...image, sha256: `again ${index}`, requestId: 'req_good_2' }));
  const kept = ['a', 'b', 'again 2'];
  const shown = kept.map((sha256, index) => ({ ...book.job.images[0], index, sha256 })) as JobImage[];
  const told = ['image 1', 'image 2'].map((once) => ({ ...eventsOf(book)[1], id: `evt ${once}`, once }) as HeardEvent);
  return {
    ...books,
    jobs: [
      {
        ...book,
        attempts: [
          { ...cut, images: [0, 1, 2], came: 2, costUsd: null },
          { ...repeat, images: again },
        ],
        job: {
          ...book.job,
          images: shown,
          progress: { ...book.job.progress, images_requested: 3 },
          usage: { ...book.job.usage, cost_usd: null, possible_extra_cost_usd: 3 * PRICE_USD },
        },
      },
      ...jobs,
    ],
    ledger: {
      requests: [{ ...request, n: 3, outcome: 'truncated' }, toRequest('good', 2, 'answered'), ...requests],
      images: [...billed, ...anew, ...images],
    },
    objects: [
      ...kept.map((sha256, index) => ({ key: `images/default/job_good/${index}.png`, bytes: 5, sha256 })),
      ...books.objects.slice(1),
    ],
    delivered: books.delivered.map((row) => ({ ...row, requestId: row.requestId.replace('good_1', 'good_2') })),
    streams: books.streams.map((one) => ({ ...one, heard: [...one.heard, ...told] })),
  };
}

export function shaOf(name: Name, seq: number): string {
  return `sha ${name} ${seq}`;
}

function planned(name: Name): PlannedJob {
  return {
    id: name,
    client: name === 'sync' ? 'sync' : 'post',
    account: 'one',
    operation: 'generation',
    input: { prompt: `chaos ${name}` },
    image: null,
    webhook: name === 'good' ? 'live' : null,
    envelope: {},
    afterwards: null,
  };
}

function toRequest(name: Name, seq: number, outcome: string): LedgerRequest {
  return {
    id: `req_${name}_${seq}`,
    at: START + 1_000 * (seq - 1),
    endedAt: START + 1_000 * (seq - 1) + 200,
    operation: 'generation',
    model: 'gpt-image-2',
    n: 1,
    prompt: `chaos ${name}`,
    outcome,
    status: 200,
    fault: null,
    key: null,
    billedImages: 1,
  };
}

function toImage({ id }: LedgerRequest): LedgerImage {
  const [, name = '', seq = ''] = id.split('_');
  return {
    id: `sim_${name}_${seq}`,
    requestId: id,
    model: 'gpt-image-2',
    costUsd: PRICE_USD,
    bytes: 5,
    sha256: shaOf(name as Name, Number(seq)),
  };
}

function attempt(name: Name, seq: number): AttemptBook {
  return {
    call: 0,
    seq,
    run: 1,
    at: START + 1_000 * (seq - 1) - 10,
    endedAt: START + 1_000 * (seq - 1) + 400,
    answeredAt: null,
    outcome: 'succeeded',
    code: null,
    requestId: `req_${name}_${seq}`,
    key: null,
    images: [0],
    costUsd: PRICE_USD,
    came: null,
  };
}

function jobBook(name: Name, attempts: readonly AttemptBook[]): JobBook {
  const image = { id: `img_${name}`, index: 0, bytes: 5, sha256: shaOf(name, attempts.length) } as JobImage;
  const job = {
    id: `job_${name}`,
    status: 'completed',
    run: 1,
    created_at: START,
    input: { prompt: `chaos ${name}` },
    images: [image],
    errors: [],
    metadata: { chaos: name },
    progress: { images_requested: 1 },
    usage: { cost_usd: PRICE_USD, possible_extra_cost_usd: attempts.length === 2 ? PRICE_USD : 0 },
  } as unknown as Job;
  return { account: 'one', job, attempts, sequence: 3 };
}

function eventsOf({ job }: JobBook): HeardEvent[] {
  return (['job.in_progress', 'image.completed', 'job.completed'] as const).map((type, at) => ({
    id: `evt_${job.id.slice(4)}_${at + 1}`,
    type,
    subject: job.id,
    sequence: at + 1,
    once: [null, 'image 0', 'end'][at] ?? null,
    lost: [],
  }));
}

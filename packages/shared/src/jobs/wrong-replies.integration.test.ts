// A Redis that answers every command with something else, as a connection does whose replies have got out of step: no step
// takes that for an answer of its own.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keysOf } from '../base/keys.ts';
import { createBatch, moveBatch, retryBatch } from '../batches/steps.ts';
import { readBatch } from '../batches/store.ts';
import { closeLost, failCall, finishAttempt, noteAnswer } from './attempt-steps.ts';
import { beginAttempt } from './paying-gate.ts';
import { findReplay } from './replay.ts';
import { keepCopy, noteSpooled, sayStillThere } from './spool-steps.ts';
import { createJob, type JobSteps, retryJob, withholdCalls } from './steps.ts';
import { readJob, readJobs, readStatus } from './store.ts';
import { TEST_SPEC } from './test-spec.ts';
import { joinUnanswered } from './unanswered.ts';

const ID = 'job_1';
const ANSWERS = {
  word: '+OK\r\n',
  number: ':7\r\n',
  'empty list': '*0\r\n',
  'other list': '*2\r\n$3\r\nfoo\r\n$3\r\nbar\r\n',
  'right word, no facts': '*1\r\n$2\r\ngo\r\n',
};

let server: Server;
let redis: Redis;
let steps: JobSteps;
let answer = '';

beforeAll(async () => {
  server = createServer((socket: Socket) => {
    // Each command is a list of texts, and none of ours has a line that looks like the start of another.
    socket.on('data', (data) => socket.write(answer.repeat(String(data).match(/^\*\d+\r$/gm)?.length ?? 0)));
    socket.on('error', () => undefined); // ends with its client
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  answer = ANSWERS.word;
  redis = new Redis({
    port: (server.address() as AddressInfo).port,
    enableReadyCheck: false,
    disableClientInfo: true,
    maxRetriesPerRequest: 0,
  });
  steps = { redis, keys: keysOf('darkroom'), retentionMs: 3_600_000 };
});
afterAll(async () => {
  redis.disconnect();
  server.close();
  await once(server, 'close');
});

const ROW = { permit: 'p', run: 1, upstreamKey: 'default', images: [0], upperBoundMicroUsd: 1 };
const GATE = {
  jobId: ID,
  call: 0,
  lockKey: 'l',
  lockToken: 't',
  onUnknown: 'retry',
  upstreamKeyHash: 'k',
  spoolRoomHash: 'r',
  processId: 'p',
  tag: 0,
  buckets: [],
  epoch: 0,
  isProbe: false,
  row: ROW,
  callImages: [0],
} as const;
const FINISH = {
  jobId: ID,
  call: 0,
  seq: 1,
  outcome: 'succeeded',
  facts: {},
  count: '',
  isFinal: false,
  error: null,
  images: [],
  callImages: [0],
} as const;
const FAILURE = { jobId: ID, call: 0, run: 1, lockKey: 'l', lockToken: 't', error: { code: null } };
const BATCH = {
  account: 'acme',
  endpoint: null,
  inputFileId: null,
  inputKey: 'k',
  completionWindow: '24h',
  windowMs: 1,
  onInvalid: 'reject',
  priority: 'normal',
  metadata: {},
  webhook: null,
} as const;
const ANSWER_ID = { jobId: ID, call: 0, seq: 1 };
const STEPS: Readonly<Record<string, () => Promise<unknown>>> = {
  'the paying gate': () => beginAttempt(steps, GATE),
  'note-answer': () => noteAnswer(steps, ID, 0, 1, {}),
  'finish-attempt': () => finishAttempt(steps, FINISH),
  'fail-call': () => failCall(steps, FAILURE),
  'close-lost': () => closeLost(steps, { ...FAILURE, onUnknown: 'retry' }),
  'note-spooled': () => noteSpooled(steps, ANSWER_ID, {}, { until: 1, host: 'h', images: 1 }),
  'still-there': () => sayStillThere(steps, ANSWER_ID, 'h', 1),
  'a spooled copy': () => keepCopy(steps, ANSWER_ID, Buffer.from('x')),
  'create-job': () => createJob(steps, ID, TEST_SPEC, null),
  'withhold-calls': () => withholdCalls(steps, ID, 1, 'cancelled'),
  'retry-job': () => retryJob(steps, { id: ID, run: 1, spec: TEST_SPEC }),
  'an idempotency key': () => findReplay(steps, 'acme', { keyHash: 'k', fingerprint: 'f' }),
  'a client’s retry': () => joinUnanswered(steps, 'acme', { fingerprint: 'f', asker: 'a' }),
  'a job': () => readJob(redis, steps.keys, ID),
  'jobs of a list': async () => {
    for (const record of await readJobs(redis, steps.keys, [ID])) if (record instanceof Error) throw record;
  },
  'a status': () => readStatus(redis, steps.keys, ID),
  'create-batch': () => createBatch(steps, 'batch_1', BATCH, null),
  'move-batch': () => moveBatch(steps, { id: 'batch_1', run: 1 }, 'validating', 'in_progress'),
  'retry-batch': () => retryBatch(steps, { id: 'batch_1', run: 1, spec: BATCH }),
  'a batch': () => readBatch(redis, steps.keys, 'batch_1'),
};

/** An empty hash is how Redis says that there is no such record. */
const MAY_BE_NONE: Readonly<Record<string, readonly string[]>> = {
  'empty list': ['a job', 'jobs of a list', 'a batch'],
};

describe.each(Object.entries(ANSWERS))('%s', (name, sent) => {
  test.each(Object.entries(STEPS).filter(([step]) => !MAY_BE_NONE[name]?.includes(step)))(
    'is no answer of %s',
    async (_step, run) => {
      answer = sent;
      await expect(run()).rejects.toThrow(/^(?=.* is not )/);
    },
  );
});

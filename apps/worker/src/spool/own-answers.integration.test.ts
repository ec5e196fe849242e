import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { nameBooks } from '@darkroom/shared/images/mark.ts';
import { openSpool } from '@darkroom/shared/images/spool.ts';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { buildOwnAnswers } from './own-answers.ts';

let server: TestRedis;
let directory: string;
let lines: { readonly books?: string; readonly oneOfThem?: { readonly jobId: string } }[];

beforeAll(async () => {
  server = await openTestRedis();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'darkroom-own-'));
  lines = [];
});
afterEach(() => rm(directory, { recursive: true }));
afterAll(() => server.close());

function answer(jobId: string): SpooledAnswer {
  const images = [{ index: 0, revisedPrompt: null, bytes: Buffer.alloc(100_000) }];
  return { jobId, call: 0, seq: 1, answeredAt: 7, about: {}, images };
}

/** A worker of the installation of that name on this host. */
async function open(name: string) {
  const keys = keysOf(`${server.prefix}-${name}`);
  const { redis } = server;
  const books = await nameBooks({ redis, keys });
  const spool = await openSpool({ directory, books });
  const write = (line: string): void => void lines.push(JSON.parse(line));
  const log = createLogger({ name: 'worker', level: 'warn', destination: { write } });
  const own = buildOwnAnswers({ redis, keys, spool, log });
  const list = async (): Promise<string[]> => (await own.list()).map(({ jobId }) => jobId);
  return { keys, books, spool, own, list };
}

const entry = (jobId: string) => ({ jobId, call: 0, seq: 1 });

test('of several installations in one folder each lists its own, counts its own, and says once whose the others are', async () => {
  const [one, two, three] = [await open('one'), await open('two'), await open('three')];
  expect(new Set([one.books, two.books, three.books]).size).toBe(3);
  const before = (await one.spool.use()).usedBytes;
  for (const jobId of ['job_a', 'job_b']) await one.spool.write(answer(jobId));
  await two.spool.write(answer('job_c'));
  for (let look = 0; look < 2; look += 1) {
    expect([await one.list(), await two.list(), await three.list()]).toEqual([['job_a', 'job_b'], ['job_c'], []]);
  }
  const used = await Promise.all([one, two, three].map(async ({ spool }) => (await spool.use()).usedBytes - before));
  expect(used.map((bytes) => Math.round(bytes / 100_000))).toEqual([2, 1, 0]);
  const said = lines.map(({ books, oneOfThem }) => [books, oneOfThem?.jobId]);
  expect(said).toEqual([
    [two.books, 'job_c'],
    [one.books, 'job_a'],
    [one.books, 'job_a'],
    [two.books, 'job_c'],
  ]);
});

test('one whose job Redis knows is ours whatever it names: Redis was emptied under the worker that wrote it', async () => {
  const one = await open('emptied');
  await one.spool.write(answer('job_old'));
  await server.redis.del(one.keys.storage);
  expect(await one.list()).toEqual([]);
  const again = await open('emptied');
  expect(again.books).not.toBe(one.books);
  await one.spool.write(answer('job_new'));
  await server.redis.hset(one.keys.job('job_new'), 'state', '{}');
  expect([await one.list(), await again.list()]).toEqual([['job_new'], ['job_new']]);
  expect([await one.own.isMarkedOurs(entry('job_old')), await again.own.isMarkedOurs(entry('job_old'))]).toEqual([
    false,
    false,
  ]);
  await server.redis.hset(one.keys.storage, 'books', one.books);
  expect([await one.list(), await again.list()]).toEqual([
    ['job_old', 'job_new'],
    ['job_old', 'job_new'],
  ]);
});

test('a file of a version before names no books and is ours', async () => {
  const one = await open('one');
  await writeFile(join(directory, 'job_a.0.1.spool'), Buffer.concat(encodeAnswer(answer('job_a'))));
  expect([await one.list(), await one.own.isMarkedOurs(entry('job_a')), lines]).toEqual([['job_a'], true, []]);
});

test('a file that does not say whose it is, of a job that is not known, is nobody’s to put aside', async () => {
  const one = await open('one');
  await one.spool.write(answer('job_a'));
  await truncate(join(directory, 'job_a.0.1.spool'), 40);
  expect([await one.list(), await one.own.isMarkedOurs(entry('job_a'))]).toEqual([[], false]);
  expect(lines).toMatchObject([{ books: 'unreadable' }]);
  await server.redis.hset(one.keys.job('job_a'), 'state', '{}');
  expect(await one.list()).toEqual(['job_a']);
});

test('one that goes meanwhile is neither ours nor news', async () => {
  const one = await open('one');
  expect(await one.own.isMarkedOurs(entry('job_a'))).toBe(false);
  expect(lines).toEqual([]);
});

import { mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSpool } from './spool.ts';
import { encodeAnswer, type SpooledAnswer, SpoolFormatError } from './spool-file.ts';

let directory: string;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'darkroom-spool-')), 'spool');
});
afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

function answer(jobId: string, bytes = Buffer.from(`image of ${jobId}`)): SpooledAnswer {
  return { jobId, call: 0, seq: 1, answeredAt: 7, about: {}, images: [{ index: 0, revisedPrompt: null, bytes }] };
}

function entry(jobId: string) {
  return { jobId, call: 0, seq: 1 };
}

test('keeps an answer for every process that opens the folder, and lets it go', async () => {
  const one = await openSpool({ directory, books: 'books' });
  await one.write(answer('job_a'));
  const other = await openSpool({ directory, books: 'books' });
  expect(other.hostId).toBe(one.hostId);
  expect(await other.list()).toEqual([entry('job_a')]);
  expect(await other.read(entry('job_a'))).toEqual({ ...answer('job_a'), about: { books: 'books' } });
  await other.remove(entry('job_a'));
  await other.remove(entry('job_a'));
  expect([await one.has(entry('job_a')), await one.read(entry('job_a')), await one.list()]).toEqual([false, null, []]);
});

test('processes that open the folder at the same moment agree on the host; another folder is another host', async () => {
  const spools = await Promise.all(Array.from({ length: 12 }, () => openSpool({ directory, books: 'books' })));
  expect(new Set(spools.map(({ hostId }) => hostId)).size).toBe(1);
  const elsewhere = await openSpool({ directory: `${directory}-2`, books: 'books' });
  expect(elsewhere.hostId).not.toBe(spools[0]?.hostId);
});

test('a host id whose writer died is made anew, once', async () => {
  const { hostId } = await openSpool({ directory, books: 'books' });
  await writeFile(join(directory, 'host-id'), '');
  const again = await openSpool({ directory, books: 'books' });
  expect(again.hostId).not.toBe(hostId);
  expect((await openSpool({ directory, books: 'books' })).hostId).toBe(again.hostId);
});

test('lists the oldest first', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  for (const [seconds, name] of [
    [30, 'job_b'],
    [10, 'job_c'],
    [20, 'job_a'],
  ] as const) {
    await spool.write(answer(name));
    await utimes(join(directory, `${name}.0.1.spool`), seconds, seconds);
  }
  expect((await spool.list()).map(({ jobId }) => jobId)).toEqual(['job_c', 'job_a', 'job_b']);
});

test('nobody but its user may read it', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  await spool.write(answer('job_a'));
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  expect((await stat(join(directory, 'job_a.0.1.spool'))).mode & 0o777).toBe(0o600);
});

test('a torn file is put aside and kept, and the others stay', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  await spool.write(answer('job_a'));
  await spool.write(answer('job_b'));
  await truncate(join(directory, 'job_a.0.1.spool'), 300);
  await expect(spool.read(entry('job_a'))).rejects.toThrow(SpoolFormatError);
  expect(await spool.list()).toEqual([entry('job_b')]);
  expect(await readFile(join(directory, 'job_a.0.1.spool.bad'))).toHaveLength(300);
});

test('a file under another answer’s name is put aside', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  await spool.write(answer('job_a'));
  await rename(join(directory, 'job_a.0.1.spool'), join(directory, 'job_b.0.1.spool'));
  await expect(spool.read(entry('job_b'))).rejects.toThrow('another answer');
  expect(await readdir(directory)).toContain('job_b.0.1.spool.bad');
});

test('counts what lies in the folder, also what was put aside', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  const before = await spool.use();
  await spool.write(answer('job_a', Buffer.alloc(100_000)));
  await spool.putAside(entry('job_a'));
  const { usedBytes, freeBytes } = await spool.use();
  expect(usedBytes - before.usedBytes).toBeGreaterThan(100_000);
  expect(usedBytes - before.usedBytes).toBeLessThan(101_000);
  expect(freeBytes).toBeGreaterThan(0);
});

test('what is left to others is not counted, while it lies there', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  const before = await spool.use();
  await spool.write(answer('job_a', Buffer.alloc(100_000)));
  spool.leaveToOthers([entry('job_a'), entry('job_b')]);
  expect((await spool.use()).usedBytes).toBe(before.usedBytes);
  spool.leaveToOthers([]);
  expect((await spool.use()).usedBytes - before.usedBytes).toBeGreaterThan(100_000);
});

test('a file says whose books know it, and none is changed by the asking', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  const longer = { ...answer('job_a'), about: { links: 'x'.repeat(200_000) } };
  await spool.write(longer);
  expect(await spool.readBooks(entry('job_a'))).toEqual({ kind: 'named', name: 'books' });
  await writeFile(join(directory, 'job_b.0.1.spool'), Buffer.concat(encodeAnswer(answer('job_b'))));
  expect(await spool.readBooks(entry('job_b'))).toEqual({ kind: 'unnamed' });
  await writeFile(join(directory, 'job_c.0.1.spool'), Buffer.alloc(200_000));
  expect(await spool.readBooks(entry('job_c'))).toEqual({ kind: 'unreadable' });
  expect(await spool.readBooks(entry('job_d'))).toEqual({ kind: 'missing' });
  expect((await readdir(directory)).filter((name) => name.includes('.spool'))).toHaveLength(3);
});

test('a folder that is gone is an error, never an empty spool', async () => {
  const spool = await openSpool({ directory, books: 'books' });
  await rm(directory, { recursive: true });
  await expect(spool.list()).rejects.toThrow('ENOENT');
  await expect(spool.write(answer('job_a'))).rejects.toThrow('ENOENT');
});

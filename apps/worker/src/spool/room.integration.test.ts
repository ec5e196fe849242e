import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import type { Slot } from '@darkroom/shared/base/slots.ts';
import { openSpool, type Spool } from '@darkroom/shared/images/spool.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openRoom, type SpoolRoom } from './room.ts';

const MIB = 1_024 ** 2;
let server: TestRedis;
let directory: string;
let spool: Spool;
const rooms: SpoolRoom[] = [];

beforeAll(async () => {
  server = await openTestRedis();
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'darkroom-room-'));
  spool = await openSpool({ directory, books: 'books' });
});
afterEach(async () => {
  await Promise.all(rooms.splice(0).map((room) => room.close()));
  await rm(directory, { recursive: true });
});
afterAll(() => server.close());

function open(maxMib: number, onFull: () => void = () => undefined): SpoolRoom {
  const keys = keysOf(server.prefix);
  const room = openRoom({ redis: server.redis, keys, spool, maxBytes: maxMib * MIB, onFull, onError: onFull });
  rooms.push(room);
  return room;
}

/** For a call of a lane that has none yet, so that its share is no question. */
function take(room: SpoolRoom, bytes: number): Promise<Slot | null> {
  return room.take(randomUUID(), bytes);
}

/** How many calls of 4 MiB a lane gets. */
async function fill(room: SpoolRoom, lane: string): Promise<number> {
  for (let calls = 0; ; calls += 1) if ((await room.take(lane, 4 * MIB)) === null) return calls;
}

/** What every process of the host holds, MiB. */
async function held(): Promise<number[]> {
  const books = await server.redis.hvals(keysOf(server.prefix).spoolRoom(spool.hostId));
  return books.map((text) => Number(text.split(' ')[0]) / MIB).sort((a, b) => a - b);
}

test('is asked of Redis once for many calls', async () => {
  const room = open(8_192);
  for (let call = 0; call < 16; call += 1) expect(await take(room, 4 * MIB)).not.toBeNull();
  expect(await held()).toEqual([64]);
  expect(await take(room, 4 * MIB)).not.toBeNull();
  expect(await held()).toEqual([128]);
});

test('all processes together hold no more than there is, and what one frees another may have', async () => {
  const [one, other] = [open(100), open(100)];
  const shares = await Promise.all(
    Array.from({ length: 20 }, (_, call) => take(call % 2 === 0 ? one : other, 8 * MIB)),
  );
  expect(shares.filter((share) => share !== null)).toHaveLength(12);
  expect((await held()).reduce((sum, mib) => sum + mib, 0)).toBeLessThanOrEqual(100);
  expect(await take(one, 8 * MIB)).toBeNull();
  for (const share of shares) share?.free();
  expect(await take(one, 8 * MIB)).not.toBeNull();
  await other.close();
  expect(await take(one, 88 * MIB)).not.toBeNull();
});

test('a lane leaves a tenth to others, as far as they have not taken more than that', async () => {
  let told = 0;
  const room = open(400, () => {
    told += 1;
  });
  expect([await fill(room, 'hung'), await fill(room, 'second'), await fill(room, 'third')]).toEqual([90, 9, 1]);
  expect(told).toBe(1); // for what the third wanted more
});

test('a lane that hangs in all processes of a host leaves a tenth but for one call each', async () => {
  const [one, other] = [open(400), open(400)];
  expect([await fill(one, 'hung'), await fill(other, 'hung')]).toEqual([90, 1]);
  expect([(await one.take('second', 4 * MIB)) !== null, (await other.take('third', 4 * MIB)) !== null]).toEqual([
    true,
    true,
  ]);
});

test('a lane of many processes, each with a few calls, is not held up by what they hold and do not use', async () => {
  const processes = Array.from({ length: 16 }, () => open(1_024));
  const calls = processes.flatMap((room) => Array.from({ length: 13 }, () => room.take('a', 4 * MIB)));
  expect((await Promise.all(calls)).filter((share) => share === null)).toEqual([]);
});

test('a lane has its share again when another process holds less', async () => {
  const [one, other] = [open(100), open(100)];
  const large = await one.take('a', 84 * MIB);
  expect(await fill(other, 'a')).toBe(1);
  large?.free();
  await one.close();
  expect(await other.take('a', 4 * MIB)).not.toBeNull();
});

test('counts what lies on disk', async () => {
  await writeFile(join(directory, 'job_a.0.1.spool'), Buffer.alloc(90 * MIB));
  const room = open(100);
  expect(await take(room, 11 * MIB)).toBeNull();
  expect(await take(room, 10 * MIB)).not.toBeNull();
});

test('what was spooled is no room any more, though its call is over', async () => {
  const room = open(64);
  const share = await take(room, 60 * MIB);
  await writeFile(join(directory, 'job_a.0.1.spool'), Buffer.alloc(50 * MIB));
  room.spend(50 * MIB);
  share?.free();
  expect(await take(room, 15 * MIB)).toBeNull();
  const small = await take(room, 10 * MIB);
  await room.renew();
  expect(await held()).toEqual([14]);
  small?.free();
  await rm(join(directory, 'job_a.0.1.spool'));
  expect(await take(room, 60 * MIB)).not.toBeNull();
});

test('a call that needs more than there is goes alone', async () => {
  const room = open(10);
  const small = await take(room, 1 * MIB);
  expect(await take(room, 80 * MIB)).toBeNull();
  small?.free();
  const large = await take(room, 80 * MIB);
  expect(large).not.toBeNull();
  expect(await take(room, 1 * MIB)).toBeNull();
  large?.free();
});

test('a call that needs more than there is goes alone also beside a file that was put aside', async () => {
  await writeFile(join(directory, 'job_a.0.1.spool.bad'), Buffer.alloc(2 * MIB));
  const room = open(10);
  const large = await take(room, 80 * MIB);
  expect(large).not.toBeNull();
  expect(await held()).toEqual([8]);
});

test('is said to be full when files that were put aside take all of it', async () => {
  await writeFile(join(directory, 'job_a.0.1.spool.bad'), Buffer.alloc(10 * MIB));
  let told = 0;
  const room = open(10, () => {
    told += 1;
  });
  expect([await take(room, MIB), await take(room, MIB), told]).toEqual([null, null, 1]);
  await rm(join(directory, 'job_a.0.1.spool.bad'));
  expect(await take(room, MIB)).not.toBeNull();
});

test('is free again when the lease of a dead process has ended', async () => {
  const room = open(10);
  await server.redis.hset(room.hash, 'dead', `${10 * MIB} ${Date.now() + 60_000}`);
  expect(await take(room, MIB)).toBeNull();
  await server.redis.hset(room.hash, 'dead', `${10 * MIB} ${Date.now() - 1}`);
  expect(await take(room, MIB)).not.toBeNull();
  expect(await server.redis.hkeys(room.hash)).toEqual([room.processId]);
});

test('goes back when it is not needed for two renewals, but what is taken stays, even when Redis has lost it', async () => {
  const room = open(8_192);
  const shares = await Promise.all([take(room, 70 * MIB), take(room, 70 * MIB)]);
  expect(await held()).toEqual([192]);
  shares[0]?.free();
  await room.renew();
  expect(await held()).toEqual([192]);
  await room.renew();
  expect(await held()).toEqual([128]);
  await server.redis.del(room.hash);
  await room.renew();
  expect(await held()).toEqual([128]);
  shares[1]?.free();
  await room.renew();
  await room.renew();
  expect(await held()).toEqual([]);
});

test('says once that it is full, and those who wait hear of a share that was freed', async () => {
  let told = 0;
  const room = open(10, () => {
    told += 1;
  });
  const share = await take(room, 10 * MIB);
  expect([await take(room, MIB), await take(room, MIB), told]).toEqual([null, null, 1]);
  const more = room.untilMore(new AbortController().signal);
  share?.free();
  await more;
  expect(await take(room, MIB)).not.toBeNull();
  await expect(room.untilMore(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
});

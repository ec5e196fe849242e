import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type S3, startS3 } from '@darkroom/simulator/s3/server.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { assertMark, isOursAlone, MARK_KEY } from './mark.ts';
import { buildMarkedStore } from './marked-store.ts';
import { openStore } from './open-store.ts';
import { type ImageStore, StorageError } from './store.ts';
import { TEST_CREDENTIALS } from './test-s3.ts';

// A storage that stands where ours was is away, not empty; the same tests for each kind of store.

const PNG = { contentType: 'image/png' };
const BYTES = Buffer.from('an image');
const KEY = 'images/acme/job_1/0.png';
const NOT_OURS = 'not the one used so far';

let server: TestRedis;
let s3: S3;
let folder: string;
let keys: Keys;
let places = 0;

beforeAll(async () => {
  [server, s3] = [await openTestRedis(), await startS3({})];
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-mark-'));
  keys = keysOf(`${server.prefix}-${(places += 1)}`);
});
afterEach(async () => {
  await server.redis.del(keys.storage, keys.storageMarking);
  await rm(folder, { recursive: true, force: true });
});
afterAll(async () => {
  await server.close();
  await s3.close();
});

const onDisk = (place: string): Promise<ImageStore> => openStore({ url: `file:${join(folder, place)}` });
const onS3 = (place: string): Promise<ImageStore> =>
  openStore({
    url: `s3://darkroom/run-${places}/${place}`,
    endpoint: s3.url,
    forcePathStyle: true,
    credentials: TEST_CREDENTIALS,
  });

describe.each([
  ['disk', onDisk],
  ['s3', onS3],
])('%s', (_kind, open) => {
  /** Of the Redis with these keys, as another process opens it. */
  const marked = async (place: string, of = keys): Promise<ImageStore> =>
    buildMarkedStore({ redis: server.redis, keys: of, store: await open(place) });
  const depsOf = async (place: string, of = keys) => ({ redis: server.redis, keys: of, store: await open(place) });

  test('the first use marks it; the mark is not shown, and another process finds what was put', async () => {
    const store = await marked('a');
    await store.put(KEY, BYTES, PNG);
    expect(await Array.fromAsync(store.list(''))).toEqual([KEY]);
    expect(await (await open('a')).read(MARK_KEY)).not.toBeNull();
    const other = await marked('a');
    await other.probe();
    expect(await other.read(KEY)).toHaveLength(BYTES.length);
    expect(await other.read('images/acme/job_2/0.png')).toBeNull();
  });

  test('an empty one in its place is away in every question, and nothing is put there', async () => {
    await (await marked('a')).put(KEY, BYTES, PNG);
    const [other, itself] = [await marked('b'), await open('b')];
    for (const ask of [
      () => other.probe(),
      () => other.put(KEY, BYTES, PNG),
      () => other.putAll([{ key: KEY, bytes: BYTES, ...PNG }]),
      () => other.putNew([{ key: KEY, bytes: BYTES, ...PNG }]),
      () => other.putStream(KEY, toStream(BYTES), PNG),
      () => other.get(KEY),
      () => other.read(KEY),
      () => other.head(KEY),
      () => other.version(KEY),
      () => other.delete(KEY),
      () => Array.fromAsync(other.list('')),
      () => Array.fromAsync(other.listObjects('images/')),
      async () => assertMark(await depsOf('b')),
    ]) {
      const error: unknown = await ask().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageError);
      expect((error as Error).message).toContain(NOT_OURS);
    }
    expect(await Array.fromAsync(itself.list(''))).toEqual([]);
  });

  test('another installation’s is away too', async () => {
    const others = keysOf(`${server.prefix}-others`);
    await (await marked('a')).probe();
    await (await marked('b', others)).probe();
    await expect((await marked('b')).probe()).rejects.toThrow(NOT_OURS);
    await server.redis.del(others.storage);
  });

  test('of many processes that use it first, one marks it', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => marked('a')));
    await Promise.all(stores.map((store) => store.probe()));
    await assertMark(await depsOf('a'));
    expect(await isOursAlone(await depsOf('a'))).toBe(true);
  });

  test('of two processes that start at once with different storages, one is told', async () => {
    const ends = await Promise.allSettled([(await marked('a')).probe(), (await marked('b')).probe()]);
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('an emptied Redis takes it as it is, but not for its own alone', async () => {
    const store = await marked('a');
    await store.put(KEY, BYTES, PNG);
    expect(await isOursAlone(await depsOf('a'))).toBe(true);
    await server.redis.del(keys.storage);
    const again = await marked('a');
    expect(await again.read(KEY)).toHaveLength(BYTES.length);
    await again.probe();
    expect(await isOursAlone(await depsOf('a'))).toBe(false);
    await expect((await marked('b')).probe()).rejects.toThrow(NOT_OURS);
    await store.probe();
  });

  test('another one is used on purpose once Redis has been told to forget the first', async () => {
    await (await marked('a')).probe();
    const next = await marked('b');
    await expect(next.probe()).rejects.toThrow(NOT_OURS);
    await server.redis.hdel(keys.storage, 'id');
    await next.put(KEY, BYTES, PNG);
    expect(await isOursAlone(await depsOf('b'))).toBe(true);
    await expect((await marked('a')).probe()).rejects.toThrow(NOT_OURS);
  });

  test('a mark that cannot be read is no mark of ours', async () => {
    const store = await marked('a');
    await store.probe();
    await (await open('a')).put(MARK_KEY, Buffer.from('{'), { contentType: 'application/json' });
    await expect(store.probe()).rejects.toThrow(/darkroom\.json cannot be read/);
  });

  test('a process that died while marking leaves what the next one goes on with', async () => {
    await (await marked('a')).probe();
    const { id } = await server.redis.hgetall(keys.storage);
    await server.redis.hdel(keys.storage, 'id'); // it had not come so far
    await server.redis.set(keys.storageMarking, 'its', 'PX', 100);
    await (await marked('a')).probe();
    expect((await server.redis.hgetall(keys.storage))['id']).toBe(id);
    expect(await isOursAlone(await depsOf('a'))).toBe(true);
  });

  test('of two that mark different storages, one for longer than its lease, one is told', async () => {
    const { store: slow, reached, go } = slowToPut(await open('a'));
    const slowly = buildMarkedStore({ redis: server.redis, keys, store: slow }).probe();
    const told = expect(slowly).rejects.toThrow(NOT_OURS);
    await reached;
    await server.redis.del(keys.storageMarking); // as it runs out
    await (await marked('b')).probe();
    go();
    await told;
    await (await marked('b')).probe();
  });

  test('of two that mark the same storage at once, what stands there counts', async () => {
    const { store: slow, reached, go } = slowToPut(await open('a'));
    const slowly = buildMarkedStore({ redis: server.redis, keys, store: slow }).probe();
    await reached;
    const { books } = await server.redis.hgetall(keys.storage);
    const others = JSON.stringify({ id: 'of the other', books: [books] });
    go(async () => (await open('a')).put(MARK_KEY, Buffer.from(others), { contentType: 'application/json' }));
    await slowly;
    expect(await server.redis.hget(keys.storage, 'id')).toBe('of the other');
  });

  test('a mark made young again is the same one, and is not made where there is none', async () => {
    const [store, itself] = [await marked('a'), await open('a')];
    await store.put(KEY, BYTES, PNG);
    const [before, version] = [await itself.read(MARK_KEY), await itself.head(MARK_KEY)];
    const renewed = async (): Promise<number> => {
      await buildMarkedStore(await depsOf('a')).renewMark();
      return (await itself.head(MARK_KEY))?.lastModified ?? 0;
    };
    await expect.poll(renewed, { timeout: 5_000 }).toBeGreaterThan(version?.lastModified ?? Number.POSITIVE_INFINITY);
    expect(await itself.read(MARK_KEY)).toEqual(before);
    await store.probe();
    await itself.delete(MARK_KEY);
    await expect(buildMarkedStore(await depsOf('a')).renewMark()).rejects.toThrow(NOT_OURS);
    expect(await itself.head(MARK_KEY)).toBeNull();
  });

  test('a mark that was deleted is made anew once Redis has been told to forget it, and what is there is served', async () => {
    const store = await marked('a');
    await store.put(KEY, BYTES, PNG);
    await (await open('a')).delete(MARK_KEY);
    await expect(store.probe()).rejects.toThrow(NOT_OURS);
    await server.redis.hdel(keys.storage, 'id');
    await store.probe();
    expect(await store.read(KEY)).toHaveLength(BYTES.length);
    expect(await isOursAlone(await depsOf('a'))).toBe(true);
  });
});

test.each([
  ['overlooks them', { kind: 'overlook_conditions' }],
  ['refuses them', { kind: 'status', params: { status: 501, code: 'NotImplemented' }, count: 1 }],
])('an S3 server without conditional puts is found out: it %s', async (_says, fault) => {
  const store = buildMarkedStore({ redis: server.redis, keys, store: await onS3('a') });
  await store.put(KEY, BYTES, PNG);
  const mark = Buffer.from((await (await onS3('a')).read(MARK_KEY)) ?? []);
  expect(await store.keepsFirst()).toBe(true);
  const body = JSON.stringify({ ...fault, operation: 'Put' });
  expect((await fetch(`${s3.url}/_sim/faults`, { method: 'POST', body })).ok).toBe(true);
  expect(await store.keepsFirst()).toBe(false);
  expect((await fetch(`${s3.url}/_sim/faults`, { method: 'DELETE' })).ok).toBe(true);
  expect(Buffer.from((await (await onS3('a')).read(MARK_KEY)) ?? [])).toEqual(mark);
});

test('a disk has them', async () => {
  const store = buildMarkedStore({ redis: server.redis, keys, store: await onDisk('a') });
  await store.put(KEY, BYTES, PNG);
  expect(await store.keepsFirst()).toBe(true);
});

test('a folder that loses its disk under a running process takes nothing more, and is believed again when it is back', async () => {
  const [root, away] = [join(folder, 'a'), join(folder, 'away')];
  const store = buildMarkedStore({ redis: server.redis, keys, store: await onDisk('a') });
  await store.put(KEY, BYTES, PNG);
  await rename(root, away);
  await mkdir(root);
  await expect(store.read(KEY)).rejects.toThrow(NOT_OURS);
  await expect(store.put('images/acme/job_1/1.png', BYTES, PNG)).rejects.toThrow(NOT_OURS);
  expect(await readdir(root)).toEqual([]);
  await rm(root, { recursive: true });
  await rename(away, root);
  await store.put('images/acme/job_1/1.png', BYTES, PNG);
  expect(await store.read('images/acme/job_1/2.png')).toBeNull();
});

/** `reached` when something is to be put; it is put, and then `after` done, once told to `go`. */
function slowToPut(store: ImageStore) {
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: told, resolve: tell } = Promise.withResolvers<() => Promise<void>>();
  const put: ImageStore['put'] = async (...args) => {
    reach();
    const after = await told;
    await store.put(...args);
    await after();
  };
  const slow = new Proxy(store, {
    get: (_, name) => {
      if (name === 'put') return put;
      const value: unknown = Reflect.get(store, name);
      return typeof value === 'function' ? value.bind(store) : value;
    },
  });
  return { store: slow, reached, go: (after = async (): Promise<void> => undefined) => tell(after) };
}

async function* toStream(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(bytes);
}

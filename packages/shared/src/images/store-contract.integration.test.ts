import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { startS3 } from '@darkroom/simulator/s3/server.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from './open-store.ts';
import type { ImageStore } from './store.ts';
import { listOpenUploads } from './test-s3.ts';

// What every kind of store promises; the same tests for each.

interface Opened {
  readonly store: ImageStore;
  /** Another store object on the same storage, as another process has one. */
  reopen(): Promise<ImageStore>;
  /** What unfinished writes have left behind. */
  leftovers(): Promise<string[]>;
  end(): Promise<void>;
}

async function openDisk(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-store-'));
  const reopen = () => openStore({ url: `file:${folder}/not/there/yet` });
  const leftovers = () => readdir(join(folder, 'not/there/yet/.tmp'));
  return { store: await reopen(), reopen, leftovers, end: () => rm(folder, { recursive: true }) };
}

async function openS3(prefix: string): Promise<Opened> {
  const server = await startS3({});
  const reopen = () =>
    openStore({
      url: `s3://darkroom${prefix}`,
      endpoint: server.url,
      forcePathStyle: true,
      credentials: { accessKeyId: 'simulator', secretAccessKey: 'simulator-secret' },
    });
  const leftovers = () => listOpenUploads(server.url);
  return { store: await reopen(), reopen, leftovers, end: () => server.close() };
}

const KINDS = [
  ['disk', openDisk],
  ['s3', () => openS3('')],
  ['s3 with a prefix', () => openS3('/some/where')],
] as const;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const PNG = { contentType: 'image/png' };

const JSONL = { contentType: 'application/jsonl' };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** `chunks`, then what `end` does: nothing, throw, or never answer. */
async function* streamOf(chunks: Iterable<Uint8Array>, end?: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield* chunks;
  await end?.();
}

const chunksOf = (count: number, bytes: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => Buffer.alloc(bytes, `chunk ${at} `));

async function collect(keys: AsyncIterable<string>): Promise<string[]> {
  return await Array.fromAsync(keys);
}

describe.each(KINDS)('a store of kind %s', (_name, open) => {
  let opened: Opened;
  let store: ImageStore;

  beforeAll(async () => {
    opened = await open();
    store = opened.store;
  });

  afterAll(async () => {
    await store.close();
    await opened.end();
  });

  test('gives back bytes, type and metadata, also to another process', async () => {
    const bytes = Buffer.alloc(3_000_000, 'darkroom');
    const metadata = { 'job-id': 'job_1', model: 'gpt-image-2', note: '100% grün — ✓ ' };
    const before = Date.now();
    await store.put('a/whole.png', bytes, { contentType: 'image/png', metadata });
    const other = await opened.reopen();
    const info = await other.head('a/whole.png');
    expect(info).toMatchObject({ key: 'a/whole.png', bytes: 3_000_000, contentType: 'image/png', metadata });
    expect(info?.etag).toMatch(/^"[^"]+"$/);
    expect(info?.lastModified).toBeGreaterThan(before - 60_000);
    expect(info?.lastModified).toBeLessThan(Date.now() + 60_000);
    expect(Buffer.compare((await other.read('a/whole.png')) ?? bytesOf(''), bytes)).toBe(0);
    const got = await other.get('a/whole.png');
    expect(got?.info).toEqual(info);
    expect(Buffer.compare(await buffer(got?.body ?? Readable.from([])), bytes)).toBe(0);
    await other.close();
  });

  test('keeps an object of no bytes', async () => {
    await store.put('a/empty', bytesOf(''), PNG);
    expect(await store.head('a/empty')).toMatchObject({ bytes: 0 });
    expect(await store.read('a/empty')).toHaveLength(0);
  });

  test('a second put replaces bytes, type and metadata, and changes the etag', async () => {
    await store.put('a/twice', bytesOf('one'), { contentType: 'image/png', metadata: { a: '1' } });
    const first = await store.head('a/twice');
    await store.put('a/twice', bytesOf('three'), { contentType: 'image/webp', metadata: { b: '2' } });
    const second = await store.head('a/twice');
    expect(second).toMatchObject({ bytes: 5, contentType: 'image/webp', metadata: { b: '2' } });
    expect(second?.etag).not.toBe(first?.etag);
    expect(Buffer.from((await store.read('a/twice')) ?? [])).toEqual(Buffer.from('three'));
  });

  test('several objects are put together, each with its own type and metadata', async () => {
    const image = {
      key: 'together/0.png',
      bytes: bytesOf('image'),
      contentType: 'image/png',
      metadata: { model: 'm' },
    };
    const json = { key: 'together/0.json', bytes: bytesOf('{}'), contentType: 'application/json' };
    await store.putAll([image, json, { ...json, key: 'elsewhere/0.json' }]);
    expect(await store.head(image.key)).toMatchObject({ bytes: 5, contentType: 'image/png', metadata: { model: 'm' } });
    for (const key of [json.key, 'elsewhere/0.json']) {
      expect(await store.head(key)).toMatchObject({ bytes: 2, contentType: 'application/json', metadata: {} });
    }
    await expect(store.putAll([image, json], AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  });

  test('a new object is put, and what is there is not replaced by one', async () => {
    const first = { key: 'new/0.png', bytes: bytesOf('first'), ...PNG, metadata: { of: 'first' } };
    const json = { key: 'new/0.json', bytes: bytesOf('{}'), contentType: 'application/json' };
    expect(await store.putNew([first, json])).toBe(true);
    const before = await store.head(first.key);
    expect(before).toMatchObject({ bytes: 5, ...PNG, metadata: { of: 'first' } });
    expect(await store.head(json.key)).toMatchObject({ bytes: 2, contentType: 'application/json' });
    const late = { ...first, bytes: bytesOf('late'), contentType: 'image/webp', metadata: { of: 'late' } };
    expect(await store.putNew([late, { ...json, bytes: bytesOf('{"late":1}') }])).toBe(false);
    expect(await store.head(first.key)).toEqual(before);
    expect(Buffer.from((await store.read(first.key)) ?? [])).toEqual(Buffer.from('first'));
    expect(await store.head(json.key)).toMatchObject({ bytes: 2 });
    expect(await opened.leftovers()).toEqual([]);
    await store.delete(first.key);
    expect(await store.putNew([late])).toBe(true);
    expect(await store.head(first.key)).toMatchObject({
      bytes: 4,
      contentType: 'image/webp',
      metadata: { of: 'late' },
    });
  });

  test('of a new object after one that is there no more is said than that', async () => {
    await store.put('new/second', bytesOf('x'), PNG);
    const other = { key: 'new/first', bytes: bytesOf('first'), ...PNG };
    expect(await store.putNew([other, { ...other, key: 'new/second' }])).toBe(false);
    expect(await store.head('new/first')).toMatchObject({ bytes: 5 });
    expect(await store.head('new/second')).toMatchObject({ bytes: 1 });
    expect(await opened.leftovers()).toEqual([]);
  });

  test('of many that put a new object at once one does, with its own metadata, and is told so', async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => opened.reopen()));
    const ends = await Promise.all(
      stores.map((one, at) =>
        one.putNew([{ key: 'new/race', bytes: Buffer.alloc(200_000, `${at}`), ...PNG, metadata: { of: `${at}` } }]),
      ),
    );
    expect(ends.filter(Boolean)).toHaveLength(1);
    const winner = ends.indexOf(true);
    expect(await store.head('new/race')).toMatchObject({ metadata: { of: `${winner}` } });
    expect(Buffer.alloc(200_000, `${winner}`).equals((await store.read('new/race')) ?? bytesOf(''))).toBe(true);
    await Promise.all(stores.map((one) => one.close()));
  });

  test('many puts of one key at once leave one of them, whole', async () => {
    const versions = Array.from({ length: 8 }, (_, at) => Buffer.alloc(200_000, String(at)));
    await Promise.all(versions.map((bytes) => store.put('a/race', bytes, PNG)));
    const bytes = Buffer.from((await store.read('a/race')) ?? []);
    expect(versions.some((version) => version.equals(bytes))).toBe(true);
  });

  test('what is not there is null or false, not an error', async () => {
    expect(await store.get('nothing/here')).toBeNull();
    expect(await store.get('nothing/here', { start: 0, end: 5 })).toBeNull();
    expect(await store.read('nothing/here')).toBeNull();
    expect(await store.head('nothing/here')).toBeNull();
    expect(await store.delete('nothing/here')).toBe(false);
    await store.put('deep/er/object', bytesOf('x'), PNG);
    expect(await store.read('deep/er')).toBeNull();
    expect(await store.head('deep/er')).toBeNull();
    expect(await store.delete('deep/er')).toBe(false);
    expect(await store.read('deep/er/object/below')).toBeNull();
    expect(await collect(store.list('nothing/'))).toEqual([]);
  });

  test.each([
    [{ start: 0, end: 0 }, '0'],
    [{ start: 2, end: 4 }, '234'],
    [{ start: 9, end: 9 }, '9'],
    [{ start: 5, end: 1_000 }, '56789'],
  ])('a range %j is inclusive and cut to the object', async (range, expected) => {
    await store.put('a/range', bytesOf('0123456789'), PNG);
    const got = await store.get('a/range', range);
    expect(got?.info.bytes).toBe(10);
    expect((await buffer(got?.body ?? Readable.from([]))).toString()).toBe(expected);
  });

  test('a range that starts past the end is refused', async () => {
    await store.put('a/range', bytesOf('0123456789'), PNG);
    const got = store.get('a/range', { start: 10, end: 12 });
    await expect(got).rejects.toMatchObject({ code: 'range_not_satisfiable', status: 416 });
  });

  test('deletes one object and says whether there was one', async () => {
    await store.put('d/1/one', bytesOf('1'), PNG);
    await store.put('d/1/one.json', bytesOf('2'), PNG);
    expect(await store.delete('d/1/one')).toBe(true);
    expect(await store.delete('d/1/one')).toBe(false);
    expect(await collect(store.list('d/'))).toEqual(['d/1/one.json']);
    expect(await store.delete('d/1/one.json')).toBe(true);
    await store.put('d/1/one', bytesOf('again'), PNG);
    expect(await store.head('d/1/one')).toMatchObject({ bytes: 5, metadata: {} });
  });

  test('lists what starts with a prefix, in the order of whole keys, and nothing else', async () => {
    const keys = ['l/a-b', 'l/a.png', 'l/a/10', 'l/a/2', 'l/a0', 'l/b/x/y', 'lx'];
    await Promise.all(keys.toReversed().map((key) => store.put(key, bytesOf(key), PNG)));
    const sorted = keys.toSorted();
    expect(await collect(store.list('l/'))).toEqual(sorted.filter((key) => key.startsWith('l/')));
    expect(await collect(store.list('l'))).toEqual(sorted);
    expect(await collect(store.list('l/a/1'))).toEqual(['l/a/10']);
    expect(await collect(store.list('l/b'))).toEqual(['l/b/x/y']);
    expect(await collect(store.list('l/b/x/y'))).toEqual(['l/b/x/y']);
    expect(await collect(store.list(''))).toEqual((await collect(store.list(''))).toSorted());
  });

  test('the version of an object changes when it is written anew; what is not there has none', async () => {
    expect(await store.version('v/one')).toBeNull();
    await store.put('v/one', bytesOf('1'), PNG);
    const first = await store.version('v/one');
    expect([first, await store.version('v/one')]).toEqual([expect.any(String), first]);
    await store.put('v/one', bytesOf('2'), PNG);
    expect(await store.version('v/one')).not.toBe(first);
  });

  test('a listing tells the size of each object and when it was written', async () => {
    const before = Date.now() - 2_000; // S3 tells whole seconds
    await store.put('sizes/one', bytesOf('12345'), PNG);
    await store.put('sizes/two', bytesOf(''), PNG);
    const listed = await Array.fromAsync(store.listObjects('sizes/'));
    expect(listed.map(({ key, bytes }) => [key, bytes])).toEqual([
      ['sizes/one', 5],
      ['sizes/two', 0],
    ]);
    for (const { lastModified } of listed) {
      expect(lastModified).toBeGreaterThan(before);
      expect(lastModified).toBeLessThanOrEqual(Date.now() + 2_000);
    }
  });

  test('puts and deletes in the same folder do not get into each other’s way', async () => {
    const rounds = Array.from({ length: 40 }, (_, at) => `busy/job/${at % 4}`);
    await Promise.all(
      rounds.map(async (key, at) => {
        await store.put(key, bytesOf(`${at}`), PNG);
        await store.delete(key);
      }),
    );
    await store.put('busy/job/last', bytesOf('last'), PNG);
    expect(await collect(store.list('busy/'))).toContain('busy/job/last');
  });

  test.each(['', '/a', '../a', 'a/../../b', 'a//b', '.a', 'a/.b', 'a\0b', 'a\nb', 'ä', 'a/'])(
    'the key %j is refused everywhere',
    async (key) => {
      await expect(store.put(key, bytesOf('x'), PNG)).rejects.toThrow(TypeError);
      await expect(store.putNew([{ key, bytes: bytesOf('x'), ...PNG }])).rejects.toThrow(TypeError);
      await expect(store.get(key)).rejects.toThrow(TypeError);
      await expect(store.read(key)).rejects.toThrow(TypeError);
      await expect(store.head(key)).rejects.toThrow(TypeError);
      await expect(store.delete(key)).rejects.toThrow(TypeError);
      const link = { expiresSeconds: 60, contentType: 'image/png', disposition: 'inline' };
      await expect(store.presign(key, link)).rejects.toThrow(TypeError);
    },
  );

  test('a content type that would break a header is refused', async () => {
    const put = store.put('a/bad', bytesOf('x'), { contentType: 'image/png\r\nx: y' });
    await expect(put).rejects.toThrow(TypeError);
    expect(await store.head('a/bad')).toBeNull();
  });

  test('an aborted signal stops with its own reason', async () => {
    const reason = new Error('stopped by the caller');
    const signal = AbortSignal.abort(reason);
    await expect(store.put('a/aborted', bytesOf('x'), { ...PNG, signal })).rejects.toBe(reason);
    await expect(store.putNew([{ key: 'a/aborted', bytes: bytesOf('x'), ...PNG }], signal)).rejects.toBe(reason);
    await expect(store.read('a/whole.png', signal)).rejects.toBe(reason);
    await expect(store.get('a/whole.png', undefined, signal)).rejects.toBe(reason);
    expect(await store.head('a/aborted')).toBeNull();
  });

  test('an abort during a read ends the stream', async () => {
    await store.put('a/long', Buffer.alloc(5_000_000), PNG);
    const control = new AbortController();
    const got = await store.get('a/long', undefined, control.signal);
    control.abort();
    await expect(buffer(got?.body ?? Readable.from([]))).rejects.toThrow();
  });

  test('can be probed, again and again, without a trace', async () => {
    const before = await collect(store.list(''));
    await Promise.all([store.probe(), store.probe()]);
    await store.probe();
    expect(await collect(store.list(''))).toEqual(before);
  });

  test.each([
    ['nothing', []],
    ['one chunk', chunksOf(1, 1_000)],
    ['empty chunks among others', [bytesOf(''), bytesOf('a'), bytesOf(''), bytesOf('b')]],
    ['many small chunks', chunksOf(500, 1_000)],
    ['parts of odd sizes', chunksOf(13, 1_234_567)],
    ['parts that just fill', chunksOf(2, 5_242_880)],
    ['one chunk of many parts', chunksOf(1, 16_000_000)],
  ])('a stream of %s is stored as what it is', async (_what, chunks) => {
    const whole = Buffer.concat(chunks);
    const metadata = { 'file-id': 'file-1' };
    const stored = await store.putStream('s/whole', streamOf(chunks), { ...JSONL, metadata });
    expect(stored).toEqual({ bytes: whole.length, sha256: sha256(whole) });
    expect(await store.head('s/whole')).toMatchObject({ ...JSONL, bytes: whole.length, metadata });
    expect(sha256((await store.read('s/whole')) ?? bytesOf('none'))).toBe(stored.sha256);
    expect(await opened.leftovers()).toEqual([]);
  });

  test('a Readable can be streamed, and what streams of one key at once leave is one of them, whole', async () => {
    const bodies = chunksOf(4, 6_000_000);
    await Promise.all(bodies.map((body) => store.putStream('s/race', Readable.from([body]), JSONL)));
    const left = Buffer.from((await store.read('s/race')) ?? []);
    expect(bodies.some((body) => body.equals(left))).toBe(true);
    expect(await opened.leftovers()).toEqual([]);
  });

  const small = [bytesOf('0123456789')];
  const large = chunksOf(12, 1_000_000);

  test.each([
    ['small', small, 10],
    ['large', large, 12_000_000],
  ])('a %s stream may have maxBytes and no byte more; then what was there stays', async (_size, chunks, bytes) => {
    await store.putStream('s/limit', streamOf(chunks), { ...JSONL, maxBytes: bytes });
    const refused = store.putStream('s/limit', streamOf([...chunks, bytesOf('x')]), { ...JSONL, maxBytes: bytes });
    await expect(refused).rejects.toMatchObject({ code: 'request_too_large', status: 413 });
    expect(await store.head('s/limit')).toMatchObject({ bytes });
    expect(await opened.leftovers()).toEqual([]);
  });

  test.each([
    ['small', small],
    ['large', large],
  ])('a %s stream that fails stores nothing and throws its own error', async (_size, chunks) => {
    const failure = Object.assign(new Error('the caller left'), { code: 'ECONNRESET', syscall: 'read' });
    const body = streamOf(chunks, () => Promise.reject(failure));
    await expect(store.putStream('s/failed', body, JSONL)).rejects.toBe(failure);
    expect(await store.head('s/failed')).toBeNull();
    expect(await opened.leftovers()).toEqual([]);
  });

  test.each([
    ['small', small],
    ['large', large],
  ])('an abort while a %s stream stands still stores nothing, and the body is told', async (_size, chunks) => {
    const control = new AbortController();
    const reason = new Error('stopped by the caller');
    let isTold = false;
    const never = new Promise<IteratorResult<Uint8Array>>(() => undefined);
    const left = [...chunks];
    const body: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          const value = left.shift();
          if (value !== undefined) return Promise.resolve({ value, done: false });
          control.abort(reason);
          return never;
        },
        return: () => {
          isTold = true;
          return Promise.resolve({ value: undefined, done: true });
        },
      }),
    };
    const put = store.putStream('s/aborted', body, { ...JSONL, signal: control.signal });
    await expect(put).rejects.toBe(reason);
    expect(isTold).toBe(true);
    expect(await store.head('s/aborted')).toBeNull();
    expect(await opened.leftovers()).toEqual([]);
  });

  test('an aborted signal keeps a stream from being begun', async () => {
    const signal = AbortSignal.abort(new Error('before'));
    const begun = Promise.reject(new Error('the body was read'));
    begun.catch(() => undefined);
    const put = store.putStream(
      's/never',
      streamOf([], () => begun),
      { ...JSONL, signal },
    );
    await expect(put).rejects.toThrow('before');
  });

  test('presigns a link that serves type and disposition, or none', async () => {
    await store.put('a/link.png', bytesOf('linked'), PNG);
    const link = { expiresSeconds: 60, contentType: 'image/webp', disposition: 'attachment; filename="x.webp"' };
    const url = await store.presign('a/link.png', link);
    if (store.kind === 'disk') {
      expect(url).toBeNull();
      return;
    }
    const reply = await fetch(url ?? '');
    expect(reply.status).toBe(200);
    expect(await reply.text()).toBe('linked');
    expect(reply.headers.get('content-type')).toBe('image/webp');
    expect(reply.headers.get('content-disposition')).toBe('attachment; filename="x.webp"');
    expect((await fetch(`${url}x`)).status).toBe(403);
  });
});

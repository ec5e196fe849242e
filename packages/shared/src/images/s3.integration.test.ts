import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ImageStore, StorageError } from './store.ts';
import { startTestS3, TEST_CREDENTIALS, type TestS3 } from './test-s3.ts';

let s3: TestS3;
const BYTES = Buffer.alloc(3_000_000, 'darkroom');
const PNG = { contentType: 'image/png' };

beforeAll(async () => {
  s3 = await startTestS3();
});

afterEach(() => s3.clearFaults());
afterAll(() => s3.close());

describe('passing trouble', () => {
  test.each([
    ['503 SlowDown', { kind: 'status', params: { status: 503 } }],
    ['500', { kind: 'status', params: { status: 500 } }],
    ['a reset', { kind: 'reset' }],
    ['a reset after the object was stored', { kind: 'reset_after_store' }],
  ])('a put outlives %s, three times', async (_name, fault) => {
    await s3.fault({ ...fault, operation: 'Put', count: 3 });
    await s3.store.put('faults/put', BYTES, PNG);
    expect(Buffer.compare((await s3.store.read('faults/put')) ?? Buffer.alloc(0), BYTES)).toBe(0);
  });

  test('a read outlives 500, three times', async () => {
    await s3.store.put('faults/read', BYTES, PNG);
    await s3.fault({ kind: 'status', params: { status: 500 }, operation: 'Get', count: 3 });
    expect(await s3.store.read('faults/read')).toHaveLength(BYTES.length);
  });

  test('a hanging try is given up and made again', async () => {
    await s3.fault({ kind: 'hang', operation: 'Put', count: 1 });
    await s3.open({ requestTimeoutMs: 100 }).put('faults/hang', BYTES, PNG);
    expect(await s3.store.head('faults/hang')).toMatchObject({ bytes: BYTES.length });
  });
});

describe('a refusal', () => {
  const refuse = (status: number, code: string) =>
    s3.fault({ kind: 'status', params: { status, code }, operation: 'Put', count: 5 });

  test('is told with the name the server gives it, and its status', async () => {
    await refuse(413, 'EntityTooLarge');
    const refusal = { message: 'The image storage cannot be written (EntityTooLarge, HTTP 413).', isFull: false };
    await expect(s3.store.put('faults/large', BYTES, PNG)).rejects.toMatchObject(refusal);
  });

  test.each([
    [507, 'XMinioStorageFull'],
    [403, 'QuotaExceeded'],
  ])('with %d %s is that of a storage without room', async (status, code) => {
    await refuse(status, code);
    await expect(s3.store.put('faults/full', BYTES, PNG)).rejects.toMatchObject({ isFull: true });
  });
});

describe('a new object', () => {
  const conflict = { kind: 'status', params: { status: 409, code: 'ConditionalRequestConflict' }, operation: 'Put' };
  const unknown = { kind: 'status', params: { status: 501, code: 'NotImplemented' }, operation: 'Put' };
  let keys = 0;
  const newObject = () => ({ key: `new/${(keys += 1)}`, bytes: BYTES, ...PNG });

  test('outlives a reset after it was stored: it is there', async () => {
    await s3.fault({ kind: 'reset_after_store', operation: 'Put', count: 1 });
    const object = newObject();
    expect(await s3.store.putNew([object])).toBe(false);
    expect(Buffer.compare((await s3.store.read(object.key)) ?? Buffer.alloc(0), BYTES)).toBe(0);
  });

  test('is tried again while another request changes its key, but not for ever', async () => {
    await s3.fault({ ...conflict, count: 3 });
    expect(await s3.store.putNew([newObject()])).toBe(true);
    await s3.fault({ ...conflict, count: 1_000 });
    await expect(s3.store.putNew([newObject()])).rejects.toThrow('ConditionalRequestConflict');
  });

  test('is put without the condition where the server refuses it, from then on', async () => {
    const store = s3.open();
    await s3.fault({ ...unknown, count: 1 });
    const object = newObject();
    expect(await store.putNew([object])).toBe(true);
    expect(await s3.store.head(object.key)).toMatchObject({ bytes: BYTES.length });
    expect(await store.putNew([{ ...object, bytes: Buffer.from('other') }])).toBe(true);
    expect(await s3.store.head(object.key)).toMatchObject({ bytes: 5 });
  });

  test('keeps its condition when the server refuses any put for a while', async () => {
    const store = s3.open();
    await s3.fault({ ...unknown, count: 2 });
    const object = newObject();
    await expect(store.putNew([object])).rejects.toThrow(StorageError);
    expect(await store.putNew([object])).toBe(true);
    expect(await store.putNew([object])).toBe(false);
  });
});

describe('storage that is away', () => {
  test.each([
    ['answers 500', { kind: 'status', params: { status: 500 } }],
    ['answers 403', { kind: 'status', params: { status: 403 } }],
    ['resets', { kind: 'reset' }],
  ])('because it %s is a StorageError in every operation', async (_name, fault) => {
    await s3.fault({ ...fault, count: 1_000 });
    const link = { start: 0, end: 1 };
    for (const operation of [
      () => s3.store.put('a', BYTES, PNG),
      () => s3.store.putNew([{ key: 'a', bytes: BYTES, ...PNG }]),
      () => s3.store.get('a', link),
      () => s3.store.read('a'),
      () => s3.store.head('a'),
      () => s3.store.delete('a'),
      () => Array.fromAsync(s3.store.list('')),
      () => s3.store.probe(),
    ]) {
      await expect(operation()).rejects.toThrow(StorageError);
    }
  });

  test('because it never answers, within the time of one operation', async () => {
    await s3.fault({ kind: 'hang', count: 1_000 });
    const store = s3.open({ operationTimeoutMs: 200 });
    await expect(store.put('a', BYTES, PNG)).rejects.toThrow('not done within 200 ms');
    await expect(store.read('a')).rejects.toThrow(StorageError);
  });

  test('because nobody listens', async () => {
    const store = s3.open({ endpoint: 'http://127.0.0.1:1' });
    await expect(store.probe()).rejects.toThrow(StorageError);
    await expect(store.read('a')).rejects.toThrow(StorageError);
  });

  test('because the secret is wrong', async () => {
    const store = s3.open({ credentials: { ...TEST_CREDENTIALS, secretAccessKey: 'wrong' } });
    await expect(store.probe()).rejects.toMatchObject({ code: 'unavailable', status: 503 });
  });

  test('because the bucket does not exist: never "no such image"', async () => {
    const store = s3.open({ bucket: 'no-such-bucket' });
    await expect(store.read('a')).rejects.toThrow(StorageError);
    await expect(store.get('a')).rejects.toThrow(StorageError);
    await expect(store.head('a')).rejects.toThrow(StorageError);
    await expect(store.delete('a')).rejects.toThrow(StorageError);
    await expect(Array.fromAsync(store.list(''))).rejects.toThrow(StorageError);
    await expect(store.put('a', BYTES, PNG)).rejects.toThrow(StorageError);
  });

  test('the probe writes: a bucket that can only be read is away', async () => {
    await s3.fault({ kind: 'status', params: { status: 403 }, operation: 'Put', count: 100 });
    await expect(s3.store.probe()).rejects.toThrow(StorageError);
    await s3.clearFaults();
    await s3.store.probe();
  });
});

describe('aborting', () => {
  test('stops a put under way with the caller’s reason', async () => {
    await s3.fault({ kind: 'hang', operation: 'Put', count: 10 });
    const control = new AbortController();
    const put = s3.store.put('faults/abort', BYTES, { ...PNG, signal: control.signal });
    const reason = new Error('stopped by the caller');
    control.abort(reason);
    await expect(put).rejects.toBe(reason);
  });
});

describe('a stream', () => {
  const JSONL = { contentType: 'application/jsonl' };
  const PART = Buffer.alloc(5_242_880, 'part');
  const parts = async function* (count: number) {
    for (let at = 0; at < count; at += 1) yield PART;
  };
  let store: ImageStore;

  // The SDK gives up sooner after many failures, so each test has a client of its own.
  beforeEach(() => {
    store = s3.open();
  });

  const partsThenNothing = async function* (count: number) {
    yield* parts(count);
    await new Promise(() => undefined);
  };

  test('that fits in one part is put in one request, a longer one in parts', async () => {
    await store.putStream('stream/small', parts(1), JSONL);
    expect((await s3.store.head('stream/small'))?.etag).not.toContain('-');
    await store.putStream('stream/large', parts(3), JSONL);
    expect((await s3.store.head('stream/large'))?.etag).toMatch(/-3"$/);
  });

  test.each([
    ['503 SlowDown', { kind: 'status', params: { status: 503 } }],
    ['a reset', { kind: 'reset' }],
  ])('outlives %s, three times', async (_name, fault) => {
    await s3.fault({ ...fault, operation: 'Put', count: 3 });
    const stored = await store.putStream('stream/again', parts(3), JSONL);
    expect(await s3.store.head('stream/again')).toMatchObject({ bytes: stored.bytes });
  });

  test.each([0, 1, 3])('that storage refuses after %i parts leaves nothing and reads no further', async (count) => {
    let pulled = 0;
    const body = async function* () {
      for await (const part of parts(20)) {
        if (pulled === count + 2)
          await s3.fault({ kind: 'status', params: { status: 403 }, operation: 'Put', count: 50 });
        pulled += 1;
        yield part;
      }
    };
    await expect(store.putStream('stream/refused', body(), JSONL)).rejects.toThrow(StorageError);
    expect(pulled).toBeLessThan(20);
    await s3.clearFaults();
    expect(await s3.openUploads()).toEqual([]);
    expect(await s3.store.head('stream/refused')).toBeNull();
  });

  test('that storage does not answer ends within the time of one operation and leaves nothing', async () => {
    await s3.fault({ kind: 'hang', operation: 'Put', count: 100 });
    const put = s3.open({ operationTimeoutMs: 200 }).putStream('stream/hang', parts(9), JSONL);
    await expect(put).rejects.toThrow('not done within 200 ms');
    expect(await s3.openUploads()).toEqual([]);
  });

  test('may wait for its body longer than an operation may take', async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    const body = async function* () {
      yield* parts(3);
      await later;
      yield PART;
    };
    const impatient = s3.open({ operationTimeoutMs: 2_000 });
    setTimeout(resolve, 3_000);
    expect(await impatient.putStream('stream/slow', body(), JSONL)).toMatchObject({ bytes: 4 * PART.length });
  });

  test('stops a part under way with the caller’s reason', async () => {
    const control = new AbortController();
    const reason = new Error('stopped by the caller');
    const put = store.putStream('stream/abort', partsThenNothing(4), { ...JSONL, signal: control.signal });
    await expect.poll(() => s3.openUploads()).toEqual(['stream/abort']);
    await s3.fault({ kind: 'hang', operation: 'Put', count: 100 });
    control.abort(reason);
    await expect(put).rejects.toBe(reason);
    expect(await s3.openUploads()).toEqual([]);
  });
});

test('a list longer than a page is whole and in order', async () => {
  const keys = Array.from({ length: 1_050 }, (_, at) => `pages/${String(at).padStart(4, '0')}`);
  const queue = [...keys];
  const work = async (): Promise<void> => {
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) await s3.store.put(key, Buffer.from('x'), PNG);
  };
  await Promise.all(Array.from({ length: 16 }, work));
  expect(await Array.fromAsync(s3.store.list('pages/'))).toEqual(keys);
});

test('what someone else put under names that are no keys is not listed', async () => {
  const { S3Client, PutObjectCommand } = await import('@aws-sdk/client-s3');
  const client = new S3Client({
    endpoint: s3.server.url,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: TEST_CREDENTIALS,
  });
  await client.send(new PutObjectCommand({ Bucket: 'darkroom', Key: 'odd/with space', Body: 'x' }));
  await client.send(new PutObjectCommand({ Bucket: 'darkroom', Key: 'odd/plain', Body: 'x' }));
  client.destroy();
  expect(await Array.fromAsync(s3.store.list('odd/'))).toEqual(['odd/plain']);
});

test('parts of an upload that was never completed go after a day, others stay', async () => {
  const { S3Client, CreateMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const begin = async (Key: string, at: number): Promise<void> => {
    const endpoint = s3.server.url;
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: TEST_CREDENTIALS });
    vi.useFakeTimers({ toFake: ['Date'], now: at });
    await client.send(new CreateMultipartUploadCommand({ Bucket: 'darkroom', Key })).finally(() => vi.useRealTimers());
    client.destroy();
  };
  await begin('uploads/old', Date.now() - 86_400_001);
  await begin('uploads/young', Date.now() - 86_000_000);
  expect([await s3.store.removeLeftovers(), await s3.store.removeLeftovers()]).toEqual([1, 0]);
  expect(await s3.openUploads()).toEqual(['uploads/young']);
});

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startS3 } from './server.ts';
import { Bucket, type S3Kit, startS3Kit, status } from './test-kit.ts';

let kit: S3Kit;
beforeAll(async () => {
  kit = await startS3Kit();
});
afterAll(() => kit.close());
beforeEach(() => kit.control('DELETE', '/faults'));

describe('objects', () => {
  test('are put with type, headers and metadata, got, headed and deleted', async () => {
    const key = "a b/ü+&=(1)!*'.png";
    const more = { ContentType: 'image/png', CacheControl: 'max-age=9', Metadata: { id: 'x1' } };
    const { ETag } = await kit.put(key, 'hello', more);
    expect(ETag).toBe(`"${createHash('md5').update('hello').digest('hex')}"`);
    expect(await kit.read(key)).toMatchObject({
      text: 'hello',
      ETag,
      ContentType: 'image/png',
      CacheControl: 'max-age=9',
      Metadata: { id: 'x1' },
    });
    expect(await kit.s3.send(new HeadObjectCommand({ Bucket, Key: key }))).toMatchObject({
      ContentLength: 5,
      Metadata: { id: 'x1' },
    });
    await kit.s3.send(new DeleteObjectCommand({ Bucket, Key: key }));
    await expect(kit.read(key)).rejects.toMatchObject(status(404, 'NoSuchKey'));
    await expect(kit.s3.send(new HeadObjectCommand({ Bucket, Key: key }))).rejects.toMatchObject(status(404));
    await kit.s3.send(new DeleteObjectCommand({ Bucket, Key: key }));
  });

  test.each([
    ['bytes=0-3', '0123', 'bytes 0-3/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-2', '89', 'bytes 8-9/10'],
    ['bytes=5-99', '56789', 'bytes 5-9/10'],
  ])('range %s gives %s', async (Range, text, ContentRange) => {
    await kit.put('range', '0123456789');
    expect(await kit.read('range', { Range })).toMatchObject({ text, ContentRange, ...status(206) });
  });

  test('a range outside is 416', async () => {
    await kit.put('range', '0123456789');
    await expect(kit.read('range', { Range: 'bytes=10-' })).rejects.toMatchObject(status(416, 'InvalidRange'));
  });

  test('conditions: If-None-Match *, If-Match, 304', async () => {
    const { ETag } = await kit.put('once', 'first');
    await expect(kit.put('once', 'second', { IfNoneMatch: '*' })).rejects.toMatchObject(
      status(412, 'PreconditionFailed'),
    );
    await expect(kit.put('once', 'second', { IfMatch: '"wrong"' })).rejects.toMatchObject(status(412));
    await kit.put('once', 'second', { IfMatch: ETag });
    await kit.put('never-before', 'x', { IfNoneMatch: '*' });
    const now = await kit.read('once');
    expect(now.text).toBe('second');
    await expect(kit.read('once', { IfNoneMatch: now.ETag })).rejects.toMatchObject(status(304));
    await expect(kit.read('once', { IfMatch: ETag })).rejects.toMatchObject(status(412));
  });

  test('are copied', async () => {
    await kit.put('source', 'copied', { ContentType: 'text/x', Metadata: { a: '1' } });
    await kit.s3.send(new CopyObjectCommand({ Bucket, Key: 'target', CopySource: `${Bucket}/source` }));
    expect(await kit.read('target')).toMatchObject({ text: 'copied', ContentType: 'text/x', Metadata: { a: '1' } });
    const lost = new CopyObjectCommand({ Bucket, Key: 'target', CopySource: `${Bucket}/none` });
    await expect(kit.s3.send(lost)).rejects.toMatchObject(status(404, 'NoSuchKey'));
  });

  test('are listed in pages, by prefix, by folder; deleted in a batch', async () => {
    const keys = ['list/a', 'list/b/1', 'list/b/2', 'list/c', 'list/é&'];
    for (const key of keys) await kit.put(key);
    const seen: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await kit.s3.send(
        new ListObjectsV2Command({ Bucket, Prefix: 'list/', MaxKeys: 2, ContinuationToken }),
      );
      expect(page.KeyCount).toBeLessThanOrEqual(2);
      seen.push(...(page.Contents ?? []).map((object) => object.Key ?? ''));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(seen).toEqual(keys);
    const folders = await kit.s3.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/', StartAfter: 'list/a' }),
    );
    expect(folders.CommonPrefixes).toEqual([{ Prefix: 'list/b/' }]);
    expect(folders.Contents?.map((object) => object.Key)).toEqual(['list/c', 'list/é&']);
    const Objects = keys.map((Key) => ({ Key }));
    expect((await kit.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))).Deleted).toHaveLength(5);
    expect((await kit.s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/' }))).KeyCount).toBe(0);
  });

  test('are uploaded in parts', async () => {
    const upload = { Bucket, Key: 'parts' };
    const { UploadId } = await kit.s3.send(new CreateMultipartUploadCommand({ ...upload, ContentType: 'image/webp' }));
    const Parts = [];
    for (const [at, Body] of ['one ', 'two'].entries()) {
      const { ETag } = await kit.s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: at + 1, Body }));
      Parts.push({ ETag, PartNumber: at + 1 });
    }
    await kit.s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts } }));
    expect(await kit.read('parts')).toMatchObject({
      text: 'one two',
      ContentType: 'image/webp',
      ETag: expect.stringMatching(/-2"$/),
    });
    const second = await kit.s3.send(new CreateMultipartUploadCommand(upload));
    const openUploads = async () => (await kit.s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? [];
    expect(await openUploads()).toEqual([{ Key: upload.Key, UploadId: second.UploadId, Initiated: expect.any(Date) }]);
    await kit.s3.send(new AbortMultipartUploadCommand({ ...upload, UploadId: second.UploadId }));
    const late = new UploadPartCommand({ ...upload, UploadId: second.UploadId, PartNumber: 1, Body: 'x' });
    await expect(kit.s3.send(late)).rejects.toMatchObject(status(404, 'NoSuchUpload'));
    expect(await openUploads()).toEqual([]);
  });

  test('buckets are made, headed and listed; an unknown one is 404', async () => {
    await kit.s3.send(new CreateBucketCommand({ Bucket: 'second' }));
    await kit.s3.send(new HeadBucketCommand({ Bucket: 'second' }));
    expect((await kit.s3.send(new ListBucketsCommand())).Buckets?.map((bucket) => bucket.Name)).toEqual([
      Bucket,
      'second',
    ]);
    const lost = new PutObjectCommand({ Bucket: 'none', Key: 'x', Body: 'x' });
    await expect(kit.s3.send(lost)).rejects.toMatchObject(status(404, 'NoSuchBucket'));
  });

  test('the control list tells what is stored and how often it was put', async () => {
    await kit.put('twice', 'a');
    await kit.put('twice', 'bb', { ContentType: 'text/b', Metadata: { m: '1' } });
    const { objects } = (await kit.control('GET', '/objects')).json as unknown as { objects: { key: string }[] };
    expect(objects.find((object) => object.key === 'twice')).toEqual({
      bucket: Bucket,
      key: 'twice',
      bytes: 2,
      sha256: createHash('sha256').update('bb').digest('hex'),
      contentType: 'text/b',
      metadata: { m: '1' },
      puts: 2,
    });
  });
});

describe('bodies', () => {
  const large = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));

  test.each(['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const)(
    'buffers and streams arrive whole, checksums %s',
    async (mode) => {
      const client = kit.connect({ requestChecksumCalculation: mode, responseChecksumValidation: mode });
      await client.send(new PutObjectCommand({ Bucket, Key: 'large', Body: large }));
      const stream = Readable.from([large.subarray(0, 100_000), large.subarray(100_000)], { objectMode: false });
      await client.send(new PutObjectCommand({ Bucket, Key: 'stream', Body: stream, ContentLength: large.length }));
      for (const Key of ['large', 'stream']) {
        const reply = await client.send(new GetObjectCommand({ Bucket, Key }));
        expect(Buffer.from((await reply.Body?.transformToByteArray()) ?? []).equals(large)).toBe(true);
      }
    },
  );

  test.each(['CRC32', 'SHA1', 'SHA256'] as const)('%s is verified and given back', async (ChecksumAlgorithm) => {
    const kept = await kit.put('sum', 'abc', { ChecksumAlgorithm });
    expect(kept[`Checksum${ChecksumAlgorithm}`]).toBeTruthy();
    const wrong = { [`Checksum${ChecksumAlgorithm}`]: Buffer.alloc(4).toString('base64') };
    await expect(kit.put('sum', 'abc', wrong)).rejects.toMatchObject(status(400, 'BadDigest'));
    expect((await kit.read('sum')).text).toBe('abc');
  });

  test('a checksum this server cannot verify is refused, not believed', async () => {
    await expect(kit.put('sum', 'abc', { ChecksumCRC64NVME: 'AAAAAAAAAAA=' })).rejects.toMatchObject(status(501));
  });
});

test('objects kept in a directory are there after a restart', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sim-s3-'));
  const first = await startS3({ directory });
  const body = { Bucket, Key: 'kept/a', Body: 'still here', Metadata: { a: 'b' } };
  await kit.connect({ endpoint: first.url }).send(new PutObjectCommand(body));
  await kit.connect({ endpoint: first.url }).send(new PutObjectCommand({ ...body, Key: 'gone' }));
  await kit.connect({ endpoint: first.url }).send(new DeleteObjectCommand({ Bucket, Key: 'gone' }));
  await first.close();
  const second = await startS3({ directory, accessKeyId: 'id2', secretAccessKey: 'two', region: 'r2' });
  const client = kit.connect({
    endpoint: second.url,
    region: 'r2',
    credentials: { accessKeyId: 'id2', secretAccessKey: 'two' },
  });
  expect(await kit.read('kept/a', {}, client)).toMatchObject({ text: 'still here', Metadata: { a: 'b' } });
  await expect(kit.read('gone', {}, client)).rejects.toMatchObject(status(404));
  await second.close();
  await rm(directory, { recursive: true });
});

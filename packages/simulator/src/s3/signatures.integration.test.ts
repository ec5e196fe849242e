import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Bucket, type S3Kit, startS3Kit, status } from './test-kit.ts';

let kit: S3Kit;
beforeAll(async () => {
  kit = await startS3Kit();
});
afterAll(() => kit.close());
beforeEach(() => kit.control('DELETE', '/faults'));

describe('signatures', () => {
  const wrongSecret = { accessKeyId: 'simulator', secretAccessKey: 'wrong' };
  const wrongId = { accessKeyId: 'stranger', secretAccessKey: 'simulator-secret' };
  const link = (client = kit.s3, expiresIn = 60, Key = 'signed') =>
    getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn });
  beforeAll(() => kit.put('signed', 'secret text'));

  test.each([
    ['a wrong secret', { credentials: wrongSecret }, 403, 'SignatureDoesNotMatch'],
    ['an unknown id', { credentials: wrongId }, 403, 'InvalidAccessKeyId'],
    ['another region', { region: 'eu-west-1' }, 400, 'AuthorizationHeaderMalformed'],
    ['a clock an hour off', { systemClockOffset: 3_600_000 }, 403, 'RequestTimeTooSkewed'],
  ])('%s is refused', async (_name, config, code, name) => {
    await expect(kit.read('signed', {}, kit.connect(config))).rejects.toMatchObject(status(code, name));
  });

  test('a presigned link works, with overrides, and a presigned PUT', async () => {
    expect(await (await fetch(await link())).text()).toBe('secret text');
    const command = new GetObjectCommand({
      Bucket,
      Key: 'signed',
      ResponseContentType: 'text/x',
      ResponseContentDisposition: 'attachment',
    });
    const reply = await fetch(await getSignedUrl(kit.s3, command));
    expect([reply.headers.get('content-type'), reply.headers.get('content-disposition')]).toEqual([
      'text/x',
      'attachment',
    ]);
    const plain = kit.connect({ requestChecksumCalculation: 'WHEN_REQUIRED' });
    const upload = await getSignedUrl(plain, new PutObjectCommand({ Bucket, Key: 'put-by-link' }));
    expect((await fetch(upload, { method: 'PUT', body: 'sent' })).status).toBe(200);
    expect((await kit.read('put-by-link')).text).toBe('sent');
  });

  test.each([
    ['tampered key', async () => (await link()).replace('/signed', '/other'), 403, 'SignatureDoesNotMatch'],
    ['longer life', async () => (await link()).replace('Expires=60', 'Expires=600'), 403, 'SignatureDoesNotMatch'],
    ['wrong secret', () => link(kit.connect({ credentials: wrongSecret })), 403, 'SignatureDoesNotMatch'],
    [
      'expired',
      () =>
        getSignedUrl(kit.s3, new GetObjectCommand({ Bucket, Key: 'signed' }), {
          expiresIn: 60,
          signingDate: new Date(Date.now() - 61_000),
        }),
      403,
      'AccessDenied',
    ],
    ['no signature', async () => `${kit.server.url}/${Bucket}/signed`, 403, 'AccessDenied'],
    [
      'no expiry',
      async () => (await link()).replace('Expires=60', 'Expires=0'),
      400,
      'AuthorizationQueryParametersError',
    ],
    ['bad path', async () => (await link()).replace('/signed', '/%ff'), 400, 'InvalidRequest'],
  ])('a link with %s is %s', async (_name, url, code, name) => {
    const reply = await fetch(await url());
    expect([reply.status, reply.headers.get('content-type')]).toEqual([code, 'application/xml']);
    expect(await reply.text()).toContain(`<Code>${name}</Code>`);
  });

  test('virtual-host style is understood', async () => {
    const virtual = kit.connect({ endpoint: `http://localhost:${kit.server.port}`, forcePathStyle: false });
    const { host, pathname, search } = new URL(await link(virtual));
    expect(host).toBe(`${Bucket}.localhost:${kit.server.port}`);
    const options = { host: '127.0.0.1', port: kit.server.port, path: pathname + search, headers: { host } };
    const [reply] = (await once(httpRequest(options).end(), 'response')) as [IncomingMessage];
    expect(Buffer.concat(await reply.toArray()).toString()).toBe('secret text');
  });
});

describe('faults', () => {
  beforeAll(() => kit.put('hit/me', 'x'.repeat(1000)));

  test.each([
    [{ kind: 'status', params: { status: 503 } }, 503, 'SlowDown'],
    [{ kind: 'status', params: { status: 500 } }, 500, 'InternalError'],
    [{ kind: 'status', params: { status: 403 } }, 403, 'AccessDenied'],
    [{ kind: 'status', params: { status: 507, code: 'Full' } }, 507, 'Full'],
    [{ kind: 'not_found' }, 404, 'NoSuchKey'],
  ])('%j', async (fault, code, name) => {
    await kit.control('POST', '/faults', { ...fault, operation: 'Get', keyContains: 'me', count: 1 });
    await kit.put('hit/me', 'still');
    await kit.put('other', 'there');
    expect((await kit.read('other')).text).toBe('there');
    await expect(kit.read('hit/me')).rejects.toMatchObject(status(code, name));
    expect((await kit.read('hit/me')).text).toBe('still');
  });

  test('reset cuts before storing, reset_after_store after it', async () => {
    await kit.control('POST', '/faults', { kind: 'reset', operation: 'Put', count: 1 });
    await expect(kit.put('cut/before')).rejects.toThrow(/ECONNRESET|socket hang up/);
    await expect(kit.read('cut/before')).rejects.toMatchObject(status(404));
    await kit.control('POST', '/faults', { kind: 'reset_after_store', count: 1 });
    await expect(kit.put('cut/after', 'kept')).rejects.toThrow(/ECONNRESET|socket hang up/);
    expect((await kit.read('cut/after')).text).toBe('kept');
  });

  test('hang never answers', async () => {
    await kit.control('POST', '/faults', { kind: 'hang', operation: 'Head', count: 1 });
    const call = kit.s3.send(new HeadObjectCommand({ Bucket, Key: 'hit/me' }), {
      abortSignal: AbortSignal.timeout(60),
    });
    await expect(call).rejects.toThrow(/abort/i);
  });

  test('slow takes its time and delivers', async () => {
    await kit.control('POST', '/faults', { kind: 'slow', params: { bytesPerSecond: 20_000 } });
    await kit.put('slow', 'x'.repeat(1000));
    expect((await kit.read('slow')).text).toHaveLength(1000);
  });

  test.each(['Put', 'Get', 'Head', 'Delete', 'List'])('%s can be singled out', async (operation) => {
    await kit.control('POST', '/faults', { kind: 'status', operation });
    const calls = {
      Put: () => kit.put('o'),
      Get: () => kit.read('hit/me'),
      Head: () => kit.s3.send(new HeadObjectCommand({ Bucket, Key: 'hit/me' })),
      Delete: () => kit.s3.send(new DeleteObjectCommand({ Bucket, Key: 'nothing' })),
      List: () => kit.s3.send(new ListObjectsV2Command({ Bucket })),
    };
    for (const [name, call] of Object.entries(calls)) {
      if (name === operation) await expect(call()).rejects.toMatchObject(status(503));
      else await call();
    }
  });

  test('unknown kinds and routes are refused', async () => {
    expect((await kit.control('POST', '/faults', { kind: 'x' })).status).toBe(400);
    expect((await kit.control('POST', '/faults', { kind: 'hang', operation: 'put' })).status).toBe(400);
    expect((await kit.control('GET', '/nothing')).status).toBe(404);
    expect((await kit.control('GET', '/health')).json).toEqual({ ok: true });
  });
});

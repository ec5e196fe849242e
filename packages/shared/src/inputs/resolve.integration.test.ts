import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ServiceError } from '../base/errors.ts';
import { newFileId } from '../base/ids.ts';
import { lookupIn, startServer, type TestServer } from '../net/test-servers.ts';
import type { Reference } from '../requests/inputs.ts';
import { dataUrlOf, imagesOf, openTestDesk, type TestDesk } from './test-desk.ts';
import { canvas, inPieces, noise } from './test-images.ts';

const NAMES = { 'images.test': ['127.0.0.1'], 'inside.test': ['10.0.0.1'] };

let opened: TestDesk;
let server: TestServer;
let answer: RequestListener;
let png: Buffer;

beforeAll(async () => {
  opened = await openTestDesk({ allowPrivate: '127.0.0.1', lookup: lookupIn(NAMES), maxUploadBytes: 60_000_000 });
  server = await startServer('http', '127.0.0.1', (request, reply) => answer(request, reply));
  png = await noise(60, 40, 3).png().toBuffer();
});
beforeEach(() => {
  answer = send(png);
});
afterAll(async () => {
  await opened.close();
  await server.close();
});

const send = (bytes: Uint8Array) => (_request: IncomingMessage, reply: ServerResponse) => void reply.end(bytes);
const status = (code: number) => (_request: IncomingMessage, reply: ServerResponse) =>
  void reply.writeHead(code).end('no');
const url = (path = '/cat.png'): Reference => ({ kind: 'url', url: `http://images.test:${server.port}${path}` });
const file = (fileId: string): Reference => ({ kind: 'file', fileId });
const resolve = (...references: readonly Reference[]) => opened.desk.resolve('shop', imagesOf(...references));

async function problemsOf(...references: readonly Reference[]): Promise<readonly ServiceError[]> {
  const error: unknown = await resolve(...references).catch((failure: unknown) => failure);
  if (!(error instanceof ServiceError)) throw error;
  return error.details.length > 0 ? error.details : [error];
}

async function makeFile(account: string, purpose = 'vision', bytes = png): Promise<string> {
  const id = newFileId();
  const held = await opened.desk.receive('file', inPieces(bytes), 1_000_000);
  await opened.desk.keep(account, [held], Date.now());
  await opened.desk.release([held]);
  await opened.redis.redis.hset(opened.deps.keys.file(id), { account, purpose, sha256: held.facts.sha256 });
  return id;
}

describe('a URL', () => {
  test('is fetched and measured, and shown without what signs it', async () => {
    const { images } = await resolve(url('/cat.png?sig=secret#top'));
    expect(images[0]?.image).toMatchObject({
      param: 'images[0]',
      shown: { image_url: `http://images.test:${server.port}/cat.png` },
      facts: { format: 'png', width: 60, height: 40, bytes: png.length },
    });
    await opened.desk.release(images.map(({ held }) => held));
  });

  test('named twice is fetched once, in whatever role', async () => {
    const before = server.requests();
    const placed = { param: 'mask', reference: url() };
    const taken = await opened.desk.resolve('shop', { ...imagesOf(url(), url()), mask: placed });
    expect(server.requests() - before).toBe(1);
    expect([taken.images[0]?.image.param, taken.images[1]?.image.param, taken.mask?.image.param]).toEqual([
      'images[0]',
      'images[1]',
      'mask',
    ]);
    expect(taken.mask?.held).toBe(taken.images[0]?.held);
    await opened.desk.release(taken.images.map(({ held }) => held));
  });

  test('is followed through redirects, but not to a forbidden place, nor for ever', async () => {
    answer = (request, reply) => {
      if (request.url === '/cat.png') reply.writeHead(302, { location: '/there.png' }).end();
      else send(png)(request, reply);
    };
    const { images } = await resolve(url());
    await opened.desk.release(images.map(({ held }) => held));
    answer = (_request, reply) => void reply.writeHead(302, { location: 'http://10.0.0.1/' }).end();
    expect((await problemsOf(url()))[0]).toMatchObject({
      code: 'invalid_image_url',
      message: expect.stringContaining('must not name a private, local or metadata address'),
    });
    answer = (_request, reply) => void reply.writeHead(302, { location: 'http://inside.test/' }).end();
    expect((await problemsOf(url()))[0]?.message).toContain('inside.test is not an address this server may connect to');
    answer = (_request, reply) => void reply.writeHead(302, { location: '/cat.png' }).end();
    expect((await problemsOf(url()))[0]?.message).toContain('more than 3 redirects');
  });

  test('that may not be reached is refused without a connection, and without its secrets', async () => {
    const strict = await openTestDesk();
    const before = server.connections();
    const links = [
      `http://127.0.0.1:${server.port}/a.png?token=secret`,
      `http://localhost:${server.port}/a.png?token=secret`,
      'http://169.254.169.254/latest/meta-data?token=secret',
      `http://user:secret@images.test:${server.port}/a.png`,
      'file:///etc/passwd?token=secret',
      'not a URL secret',
    ];
    const error: unknown = await strict.desk
      .resolve('shop', imagesOf(...links.map((link): Reference => ({ kind: 'url', url: link }))))
      .catch((failure: unknown) => failure);
    const { details } = error as ServiceError;
    expect(details.map(({ code, param }) => [code, param])).toEqual(
      links.map((_, at) => ['invalid_image_url', `images[${at}].image_url`]),
    );
    expect(details.map(({ message }) => message).join()).not.toContain('secret');
    expect(server.connections()).toBe(before);
    await strict.close();
  });

  test.each([404, 403, 410, 206, 204])('that answers %i is refused at once', async (code) => {
    answer = status(code);
    const before = server.requests();
    const [problem] = await problemsOf(url('/cat.png?sig=secret'));
    expect(problem).toMatchObject({
      code: 'invalid_image_url',
      status: 400,
      param: 'images[0].image_url',
      message: `Invalid 'images[0].image_url': http://images.test:${server.port}/cat.png could not be fetched: the server answered ${code}.`,
    });
    expect(server.requests() - before).toBe(1);
  });

  test.each<[string, RequestListener]>([
    ['a server error', status(503)],
    ['a broken connection', (_request, reply) => void reply.destroy()],
    [
      'a body that breaks off',
      (_request, reply) => void reply.writeHead(200, { 'content-length': '9000' }).write('x', () => reply.destroy()),
    ],
  ])('gets one more try after %s', async (_what, failing) => {
    const before = server.requests();
    let tries = 0;
    answer = (request, reply) => {
      tries += 1;
      (tries === 1 ? failing : send(png))(request, reply);
    };
    const { images } = await resolve(url());
    await opened.desk.release(images.map(({ held }) => held));
    expect(server.requests() - before).toBe(2);
    answer = failing;
    const [problem] = await problemsOf(url('/again.png'));
    expect(problem?.code).toBe('invalid_image_url');
    expect(problem?.message).not.toContain('127.0.0.1');
    expect(server.requests() - before).toBe(4);
  });

  test('that announces too much is not read, one that says nothing is read up to the limit', async () => {
    let written = 0;
    answer = (request, reply) => {
      if (request.url === '/announced') reply.writeHead(200, { 'content-length': '60000000' }).write(png);
      else {
        const push = (): void => {
          if (reply.destroyed) return;
          written += 1_000_000;
          reply.write(Buffer.alloc(1_000_000), push);
        };
        push();
      }
    };
    const problems = await problemsOf(url('/announced'), url('/endless'));
    expect(problems.map(({ code, param }) => [code, param])).toEqual([
      ['file_too_large', 'images[0].image_url'],
      ['file_too_large', 'images[1].image_url'],
    ]);
    expect(problems[0]?.message).toContain('It may have 52428799 bytes at most.');
    expect(written).toBeLessThan(70_000_000);
  });

  test('compressed is refused, though small', async () => {
    answer = (_request, reply) => void reply.writeHead(200, { 'content-encoding': 'gzip' }).end(png);
    expect((await problemsOf(url()))[0]?.message).toContain('compressed');
  });

  test('that never ends is given up when the caller leaves', async () => {
    const asked = Promise.withResolvers<void>();
    answer = (_request, reply) => {
      reply.writeHead(200).write(png.subarray(0, 10));
      asked.resolve();
    };
    const leaving = new AbortController();
    const resolving = opened.desk.resolve('shop', imagesOf(url(), dataUrlOf(png)), leaving.signal);
    await asked.promise;
    const reason = new Error('the caller left');
    leaving.abort(reason);
    await expect(resolving).rejects.toBe(reason);
  });

  test('many of one account are fetched four at a time, and do not hold up another account', async () => {
    const open: ServerResponse[] = [];
    let most = 0;
    answer = (request, reply) => {
      if (request.url === '/other') return void reply.end(png);
      open.push(reply);
      most = Math.max(most, open.length);
    };
    const slow = resolve(...Array.from({ length: 16 }, (_, at) => url(`/slow-${at}`)));
    await expect.poll(() => open.length).toBe(4);
    const other = await opened.desk.resolve('other', imagesOf(url('/other')));
    await opened.desk.release(other.images.map(({ held }) => held));
    let isDone = false;
    const done = slow.finally(() => {
      isDone = true;
    });
    await expect
      .poll(() => {
        for (const reply of open.splice(0)) reply.end(png);
        return isDone;
      })
      .toBe(true);
    await opened.desk.release((await done).images.map(({ held }) => held));
    expect(most).toBe(4);
  });

  test('whose bytes the account has in storage need not be decoded again', async () => {
    const { desk, deps } = opened;
    const held = await desk.receive('file', inPieces(png), 1_000_000);
    await desk.keep('measured', [held], Date.now());
    await desk.release([held]);
    const known = JSON.stringify({ ...held.facts, width: 7 });
    await deps.redis.hset(deps.keys.input('measured', held.facts.sha256), 'facts', known);
    const { images } = await desk.resolve('measured', imagesOf(url()));
    expect(images[0]?.image.facts.width).toBe(7);
    await desk.release(images.map(({ held }) => held));
  });
});

describe('a data URL', () => {
  test('is told by its bytes, whatever type it claims, and is not shown', async () => {
    const jpeg = await noise(30, 20, 3).jpeg().toBuffer();
    const { images } = await resolve(dataUrlOf(jpeg, 'text/html'));
    expect(images[0]?.image).toMatchObject({ shown: {}, facts: { format: 'jpeg', width: 30 } });
    await opened.desk.release(images.map(({ held }) => held));
  });

  test('that is no image, or nothing, is refused', async () => {
    expect(await problemsOf(dataUrlOf(Buffer.from('<svg/>')), dataUrlOf(Buffer.alloc(0)))).toMatchObject([
      { code: 'unsupported_file_mimetype', param: 'images[0].image_url' },
      { code: 'unsupported_file_mimetype', param: 'images[1].image_url' },
    ]);
  });
});

describe('a file', () => {
  test('of the account is found in storage', async () => {
    const id = await makeFile('shop');
    const { images } = await resolve(file(id));
    expect(images[0]).toMatchObject({
      image: { shown: { file_id: id }, facts: { width: 60 } },
      held: { path: null },
    });
  });

  test('of another account, of another purpose, gone, or never there is refused', async () => {
    const foreign = await makeFile('other');
    const lines = await makeFile('shop', 'batch');
    const lost = await makeFile('shop', 'vision', await canvas(5, 5).png().toBuffer());
    const sha256 = await opened.redis.redis.hget(opened.deps.keys.file(lost), 'sha256');
    await opened.redis.redis.del(opened.deps.keys.input('shop', sha256 ?? ''));
    const problems = await problemsOf(file(foreign), file(lines), file(lost), file(newFileId()), file('../x'));
    expect(problems.map(({ code, param }) => [code, param])).toEqual([
      ['file_not_found', 'images[0].file_id'],
      ['invalid_value', 'images[1].file_id'],
      ['file_not_found', 'images[2].file_id'],
      ['file_not_found', 'images[3].file_id'],
      ['file_not_found', 'images[4].file_id'],
    ]);
  });
});

test('all problems of a request are told together, and nothing stays behind', async () => {
  answer = (request, reply) => (request.url === '/good' ? send(png) : status(404))(request, reply);
  const problems = await problemsOf(
    url('/good'),
    url('/bad'),
    url('/bad'),
    dataUrlOf(Buffer.from('text')),
    file('file-1'),
  );
  expect(problems.map(({ code, param }) => [code, param])).toEqual([
    ['invalid_image_url', 'images[1].image_url'],
    ['unsupported_file_mimetype', 'images[3].image_url'],
    ['file_not_found', 'images[4].file_id'],
  ]);
});

test('all images of a request together have their limit', async () => {
  const small = await openTestDesk({
    allowPrivate: '127.0.0.1',
    lookup: lookupIn(NAMES),
    maxUploadBytes: png.length + 10,
  });
  const other = await noise(61, 40, 3).png().toBuffer();
  const { images } = await small.desk.resolve('shop', imagesOf(dataUrlOf(png), dataUrlOf(png)));
  await small.desk.release(images.map(({ held }) => held));
  await expect(small.desk.resolve('shop', imagesOf(dataUrlOf(png), dataUrlOf(other)))).rejects.toMatchObject({
    code: 'file_too_large',
    message: expect.stringContaining(`${png.length + 10} bytes together`),
  });
  await small.close();
});

test('whatever a reference holds, nothing but a ServiceError with a param is thrown', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.webUrl({ validSchemes: ['http', 'ftp', 'data'] }),
  );
  const reference: fc.Arbitrary<Reference> = fc.oneof(
    text.map((fileId): Reference => ({ kind: 'file', fileId })),
    text.map((link): Reference => ({ kind: 'url', url: link })),
    text.map((rest): Reference => ({ kind: 'data', dataUrl: `data:${rest}` })),
    fc.base64String().map((rest): Reference => ({ kind: 'data', dataUrl: `data:;base64,${rest}` })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(reference, { minLength: 1, maxLength: 5 }), async (references) => {
      for (const problem of await problemsOf(...references)) {
        expect(problem).toMatchObject({ status: 400, param: expect.stringMatching(/^images\[\d\]\./) });
      }
    }),
    { numRuns: 200 },
  );
});

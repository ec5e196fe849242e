import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob } from '../testing/finish-job.ts';
import { GENERATION, OTHER_KEY, PUBLIC_URL, SHOP_KEY, startApi, type TestApi, toAnswer } from '../testing/start-api.ts';

const BYTES = Buffer.from('0123456789');
const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');

let api: TestApi;
let path: string;
let signed: string;
let image: { id: string; sha256: string; url: string; url_expires_at: number };

beforeAll(async () => {
  api = await startApi();
  image = await makeImage(BYTES, 'image/png');
  signed = image.url.replace(PUBLIC_URL, '');
  path = `/v1/images/${image.id}/content`;
});
afterAll(() => api.close());

async function makeImage(bytes: Uint8Array, contentType: string) {
  const { json } = await api.post('/v1/jobs', GENERATION);
  await completeJob(api.deps, json.id, bytes, contentType);
  return (await api.ask(`/v1/jobs/${json.id}`)).json.images[0];
}

const asNobody = async (target: string, init: RequestInit = {}) =>
  toAnswer(await fetch(`${api.url}${target}`, { redirect: 'manual', ...init }));

describe('who may read an image', () => {
  it('whoever holds the signed link of the job', async () => {
    expect(image.url).toMatch(new RegExp(`^${PUBLIC_URL}/v1/images/img_[0-9a-z]+_0/content\\?exp=\\d+&sig=`));
    expect(image.url_expires_at).toBeGreaterThan(Date.now() / 1_000 + 86_000);
    expect(await asNobody(signed)).toMatchObject({ status: 200, text: '0123456789' });
  });

  it('the account it belongs to', async () => {
    expect(await api.ask(path)).toMatchObject({ status: 200, text: '0123456789' });
  });

  it('nobody without link or key', async () => {
    const { status, json } = await asNobody(path);
    expect([status, json.error.code]).toEqual([401, 'invalid_api_key']);
  });

  it('no other account: it looks like a missing image', async () => {
    const other = { headers: { authorization: `Bearer ${OTHER_KEY}` } };
    const missing = 'img_01kb4xwqf7c0v3m8r5y2d9tz6n_0';
    const theirs = await api.ask(path, other);
    expect(theirs.status).toBe(404);
    expect(theirs.text.replace(image.id, 'ID')).toBe(
      (await api.ask(path.replace(image.id, missing), other)).text.replace(missing, 'ID'),
    );
  });

  it.each<[string, (link: string) => string]>([
    ['another image', (link) => link.replace('_0/content', '_1/content')],
    ['a longer life', (link) => link.replace(/exp=(\d+)/, (_, exp) => `exp=${Number(exp) + 1}`)],
    ['another signature', (link) => link.replace(/sig=.{6}/, 'sig=AAAAAA')],
    ['no expiry', (link) => link.replace(/exp=\d+&/, '')],
    ['no signature', (link) => link.replace(/sig=.*/, 'sig=')],
    ['a past expiry', (link) => link.replace(/exp=\d+/, 'exp=1')],
  ])('no link changed to %s, not even with a key', async (_what, change) => {
    for (const headers of [{}, { authorization: `Bearer ${SHOP_KEY}` }]) {
      const { status, json } = await asNobody(change(signed), { headers });
      expect([status, json.error.code]).toEqual([403, 'invalid_signature']);
    }
  });

  it('no link past its time', async () => {
    const short = await startApi({ IMAGE_URL_TTL: '1s' });
    try {
      const { json } = await short.post('/v1/jobs', GENERATION);
      await completeJob(short.deps, json.id);
      const link = (await short.ask(`/v1/jobs/${json.id}`)).json.images[0].url.replace(PUBLIC_URL, short.url);
      await expect.poll(async () => (await fetch(link)).status, { timeout: 5_000 }).toBe(403);
      expect((await toAnswer(await fetch(link))).json.error.message).toContain('has expired');
    } finally {
      await short.close();
    }
  });

  it.each(['x', 'img_x_0', 'img_01kb4xwqf7c0v3m8r5y2d9tz6n_0', '..%2f..%2fetc'])('there is no image %s', async (id) => {
    const { status, json } = await api.ask(`/v1/images/${id}/content`);
    expect([status, json.error.code]).toEqual([404, 'not_found']);
  });

  it('refuses other query parameters', async () => {
    expect((await api.ask(`${path}?download=1`)).json.error).toMatchObject({
      code: 'unknown_parameter',
      param: 'download',
    });
  });
});

describe('the reply', () => {
  it('says what the bytes are and that they never change', async () => {
    const { headers } = await asNobody(signed);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'image/png',
      'content-length': '10',
      'content-disposition': `inline; filename="${image.id}.png"`,
      etag: `"${image.sha256}"`,
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/^req_/),
    });
  });

  it('has the same headers and no bytes for HEAD', async () => {
    const head = await asNobody(signed, { method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '10']);
    expect(head.headers.get('etag')).toBe(`"${image.sha256}"`);
  });

  it('is 304 for the etag already held', async () => {
    for (const tag of [`"${image.sha256}"`, `W/"${image.sha256}"`, '*']) {
      const { status, text } = await asNobody(signed, { headers: { 'if-none-match': tag } });
      expect([status, text]).toEqual([304, '']);
    }
    expect((await asNobody(signed, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });

  it.each([
    ['bytes=2-5', 206, '2345', 'bytes 2-5/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=8-', 206, '89', 'bytes 8-9/10'],
    ['bytes=0-1,3-4', 200, '0123456789', null],
  ])('to Range: %s is %i', async (range, status, text, contentRange) => {
    const answer = await asNobody(signed, { headers: { range } });
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([status, text, contentRange]);
    expect(answer.headers.get('content-length')).toBe(String(text.length));
  });

  it('is 416 past the end', async () => {
    const { status, headers, json } = await asNobody(signed, { headers: { range: 'bytes=10-' } });
    expect([status, headers.get('content-range'), json.error.code]).toEqual([
      416,
      'bytes */10',
      'range_not_satisfiable',
    ]);
  });

  it('is whole when If-Range names another image', async () => {
    const part = async (tag: string) =>
      (await asNobody(signed, { headers: { range: 'bytes=0-0', 'if-range': tag } })).status;
    expect([await part(`"${image.sha256}"`), await part('"other"')]).toEqual([206, 200]);
  });

  it('hands an SVG over as a download in a sandbox', async () => {
    const svg = await makeImage(SVG, 'image/svg+xml');
    const { headers } = await asNobody(svg.url.replace(PUBLIC_URL, ''));
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${svg.id}.svg"`);
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('content-type')).toBe('image/svg+xml');
  });

  it('is 404 when the bytes are gone from storage', async () => {
    const lost = await makeImage(BYTES, 'image/png');
    for await (const key of api.deps.store.list('images/shop/')) {
      if (key.includes(lost.id.slice(4, -2))) await api.deps.store.delete(key);
    }
    for (const method of ['GET', 'HEAD']) {
      expect((await api.ask(`/v1/images/${lost.id}/content`, { method })).status).toBe(404);
    }
  });
});

describe('STORAGE_PUBLIC_URL', () => {
  it('makes links straight to the storage, without an end', async () => {
    const cdn = await startApi({ STORAGE_PUBLIC_URL: 'https://cdn.example/img/' });
    try {
      const { json } = await cdn.post('/v1/jobs', GENERATION);
      await completeJob(cdn.deps, json.id);
      const [shown] = (await cdn.ask(`/v1/jobs/${json.id}`)).json.images;
      expect([shown.url, shown.url_expires_at]).toEqual([`https://cdn.example/img/images/shop/${json.id}/0.png`, null]);
    } finally {
      await cdn.close();
    }
  });
});

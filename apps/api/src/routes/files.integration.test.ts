import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BATCH, LINES, postForm } from '../testing/forms.ts';
import { OTHER_KEY, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
let files: string[];

beforeAll(async () => {
  api = await startApi({ MAX_UPLOAD_BYTES: '1000' });
  files = [];
  for (const value of ['one', 'two', 'three']) files.push((await postForm(api, [{ ...LINES, value }, BATCH])).json.id);
});
afterAll(() => api.close());

describe('GET /v1/files', () => {
  it('is OpenAI’s list, newest first', async () => {
    const { json } = await api.ask('/v1/files');
    expect(json).toMatchObject({ object: 'list', first_id: files[2], last_id: files[0], has_more: false });
    expect(json.data.map(({ id }: { id: string }) => id)).toEqual(files.toReversed());
  });

  it.each([
    ['order=asc', [0, 1, 2], false],
    ['limit=2', [2, 1], true],
    ['limit=3', [2, 1, 0], false],
    ['limit=10000', [2, 1, 0], false],
    ['order=asc&limit=1&after=1', [2], false],
    ['after=1', [0], false],
    ['limit=1&after=2', [1], true],
    ['after=0', [], false],
    ['purpose=batch&limit=1', [2], true],
    ['purpose=batch_output', [], false],
    ['purpose=vision', [], false],
  ])('?%s', async (query, expected, hasMore) => {
    const { json } = await api.ask(`/v1/files?${query.replace(/after=(\d)/, (_, at) => `after=${files[Number(at)]}`)}`);
    const ids = expected.map((at) => files[at]);
    expect(json.data.map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(json).toMatchObject({ first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null, has_more: hasMore });
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=10001', 'limit'],
    ['limit=x', 'limit'],
    ['order=newest', 'order'],
    ['purpose=fine-tune', 'purpose'],
    ['after=x', 'after'],
    ['after=file-00000000000000000000000000', 'after'],
    ['limits=1', 'limits'],
  ])('refuses ?%s', async (query, param) => {
    const { status, json } = await api.ask(`/v1/files?${query}`);
    expect([status, json.error.param]).toEqual([400, param]);
  });

  it('shows nothing of another account, nor lets it go on from there', async () => {
    const headers = { authorization: `Bearer ${OTHER_KEY}` };
    const empty = { object: 'list', data: [], first_id: null, last_id: null, has_more: false };
    expect((await api.ask('/v1/files', { headers })).json).toEqual(empty);
    expect((await api.ask(`/v1/files?after=${files[1]}`, { headers })).status).toBe(400);
  });
});

describe('GET /v1/files/{id}/content', () => {
  const content = (init: RequestInit = {}) => api.ask(`/v1/files/${files[2]}/content`, init);

  it('is a download nobody takes for a page', async () => {
    const { headers, text } = await content();
    expect(text).toBe('three');
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/jsonl',
      'content-length': '5',
      'content-disposition': 'attachment; filename="lines.jsonl"',
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-cache',
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    });
  });

  it('has the same headers and no bytes for HEAD', async () => {
    const head = await content({ method: 'HEAD' });
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '5']);
    expect(head.headers.get('content-type')).toBe('application/jsonl');
  });

  it.each([
    ['bytes=1-2', 206, 'hr', 'bytes 1-2/5'],
    ['bytes=-2', 206, 'ee', 'bytes 3-4/5'],
    ['lines=1-2', 200, 'three', null],
  ])('to Range: %s is %i', async (range, status, text, contentRange) => {
    const answer = await content({ headers: { range } });
    expect([answer.status, answer.text, answer.headers.get('content-range')]).toEqual([status, text, contentRange]);
  });

  it('is 416 past the end', async () => {
    const { status, headers } = await content({ headers: { range: 'bytes=5-' } });
    expect([status, headers.get('content-range')]).toEqual([416, 'bytes */5']);
  });

  it('is 404 when the bytes are gone from storage', async () => {
    const { json } = await postForm(api, [LINES, BATCH]);
    await api.deps.store.delete(`files/shop/${json.id}`);
    for (const method of ['GET', 'HEAD']) {
      expect((await api.ask(`/v1/files/${json.id}/content`, { method })).status).toBe(404);
    }
    expect((await api.ask(`/v1/files/${json.id}`, { method: 'DELETE' })).json.deleted).toBe(true);
  });
});

describe('a file that is not there', () => {
  it.each(['x', 'file-x', 'file-00000000000000000000000000', 'job_01kb4xwqf7c0v3m8r5y2d9tz6n', '..%2f..%2fetc'])(
    'is 404 for %s',
    async (id) => {
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/content'],
      ]) {
        const { status, json } = await api.ask(`/v1/files/${id}${path}`, { method: method ?? '' });
        expect([status, json.error.type, json.error.param]).toEqual([404, 'invalid_request_error', 'id']);
        expect(json.error.message).toBe(`No such File object: ${decodeURIComponent(id)}`);
      }
    },
  );
});

describe('MAX_UPLOAD_BYTES', () => {
  it('bounds what is taken, to the byte', async () => {
    const upload = (bytes: number) => postForm(api, [{ ...LINES, value: 'x'.repeat(bytes) }, BATCH]);
    expect((await upload(1_000)).status).toBe(200);
    const { status, json } = await upload(1_001);
    expect([status, json.error.message]).toEqual([413, 'The file is larger than 1000 bytes.']);
  });
});

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  BATCH,
  encodeForm,
  headOf,
  httpChunk,
  LINES,
  type Part,
  postBytes,
  postForm,
  rawUploadHead,
} from '../testing/forms.ts';
import { OTHER_KEY, SHOP_KEY } from '../testing/start-api.ts';
import { STORAGES, type StoredApi } from '../testing/storages.ts';

const BOUNDARY = 'darkroom-boundary';
const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const VISION: Part = { name: 'purpose', value: 'vision' };
const PATIENT = { timeout: 20_000 };
const MEGABYTE = Buffer.alloc(1_000_000, 'x');
/** Far more than the limit and what lies in buffers on the way. */
const LONG_MEGABYTES = 400;

describe.each(STORAGES)('an upload, storage on %s', (_kind, start) => {
  let api: StoredApi;
  let kept: readonly string[];
  const sockets: Socket[] = [];

  beforeAll(async () => {
    api = await start();
  });
  beforeEach(async () => {
    kept = await api.storedKeys();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await api.close();
  });

  async function expectNothingLeft(): Promise<void> {
    await expect.poll(() => api.unfinished(), PATIENT).toEqual([]);
    expect(await api.storedKeys()).toEqual(kept);
    expect((await api.ask('/v1/files')).json.data).toHaveLength(kept.length);
  }

  it.each<[string, Part[]]>([
    ['the file first', [LINES, BATCH]],
    ['the file last', [BATCH, LINES]],
    ['a file without a content-type', [{ name: 'file', filename: 'lines', value: LINES.value }, BATCH]],
    ['bytes without a filename', [{ name: 'file', type: 'application/octet-stream', value: LINES.value }, BATCH]],
    ['a file that is a page', [{ ...LINES, type: 'text/html' }, BATCH]],
  ])('is taken with %s', async (_what, parts) => {
    const { status, json } = await postForm(api, parts);
    expect([status, json]).toEqual([200, expect.objectContaining({ bytes: 8, purpose: 'batch' })]);
    const { text, headers } = await api.ask(`/v1/files/${json.id}/content`);
    expect([text, headers.get('content-type')]).toEqual([LINES.value, 'application/jsonl']);
  });

  it.each(['a', '--', "b'()+_,-./:=?", 'x'.repeat(70)])('is taken with the boundary %s', async (boundary) => {
    const value = `--${boundary.slice(1)}\r\n\r\n--\r\n`;
    const { json } = await postForm(api, [{ ...LINES, value }, BATCH], boundary);
    expect((await api.ask(`/v1/files/${json.id}/content`)).text).toBe(value);
  });

  it.each<[string, Part[], object, number?]>([
    ['no purpose', [LINES], { code: 'missing_required_parameter', param: 'purpose' }],
    ['no file', [BATCH], { code: 'missing_required_parameter', param: 'file' }],
    ['nothing', [], { code: 'missing_required_parameter', param: 'file' }, 2],
    ['two files', [LINES, LINES, BATCH], { code: 'invalid_value', param: 'file' }],
    ['a purpose given twice', [BATCH, LINES, BATCH], { code: 'invalid_value', param: 'purpose' }],
    ['text for a file', [{ name: 'file', value: 'x' }, BATCH], { code: 'invalid_type', param: 'file' }],
    ['a file for a purpose', [{ ...LINES, name: 'purpose' }, LINES], { code: 'invalid_type', param: 'purpose' }],
    ['another purpose', [LINES, { ...BATCH, value: 'fine-tune' }], { code: 'invalid_value', param: 'purpose' }],
    ['an empty purpose', [LINES, { ...BATCH, value: '' }], { code: 'invalid_value', param: 'purpose' }],
    ['lines for an image', [LINES, VISION], { code: 'unsupported_file_mimetype', param: 'file' }],
    ['a JSON purpose', [LINES, { ...BATCH, type: 'application/json', value: '[1]' }], { code: 'invalid_type' }],
    ['a misspelt field', [LINES, { ...BATCH, name: 'purpos' }], { code: 'unknown_parameter', param: 'purpos' }, 2],
    ['a misspelt file', [{ ...LINES, name: 'files' }, BATCH], { code: 'unknown_parameter', param: 'files' }],
    ['a nameless field', [LINES, BATCH, { value: 'x', name: '' }], { code: 'unknown_parameter' }],
    ['a name of every object', [LINES, BATCH, { value: 'x', name: 'constructor' }], { code: 'invalid_value' }],
    [
      'too many fields',
      [LINES, ...Array.from({ length: 80 }, (_, at) => ({ name: `f${at}`, value: '' }))],
      { code: 'invalid_value' },
    ],
  ])('of %s is refused and leaves nothing', async (_what, parts, error, problems = 1) => {
    const { status, json } = await postForm(api, parts);
    expect([status, json.error]).toEqual([400, expect.objectContaining(error)]);
    expect(json.error.details?.length ?? 1).toBe(problems);
    await expectNothingLeft();
  });

  it('names what is meant, what is allowed, and every problem', async () => {
    const misspelt = await postForm(api, [{ ...BATCH, name: 'porpose' }, LINES]);
    expect(misspelt.json.error.message).toBe("Unknown parameter: 'porpose'. Did you mean 'purpose'?");
    const wrong = await postForm(api, [{ ...BATCH, value: 'assistants' }, { name: 'x', value: '' }, LINES]);
    expect(wrong.json.error.details.map(({ message }: { message: string }) => message)).toEqual([
      "Invalid value: 'assistants'. Supported values are: 'batch' and 'vision'.",
      "Unknown parameter: 'x'.",
    ]);
  });

  it.each([
    ['JSON', 'application/json', '{"file":"x"}'],
    ['a text', 'text/plain', 'x'],
    ['an encoded form', 'application/x-www-form-urlencoded', 'purpose=batch'],
  ])('as %s is 415', async (_what, type, body) => {
    const { status, json } = await postBytes(api, Buffer.from(body), type);
    expect([status, json.error.code]).toEqual([415, 'unsupported_media_type']);
    expect(json.error.message).toContain('multipart/form-data');
  });

  it('without a body is 415, compressed too', async () => {
    expect((await api.ask('/v1/files', { method: 'POST' })).status).toBe(415);
    const headers = { 'content-type': FORM, 'content-encoding': 'gzip' };
    const body = new Uint8Array(encodeForm([LINES, BATCH], BOUNDARY));
    expect((await api.ask('/v1/files', { method: 'POST', headers, body })).status).toBe(415);
    await expectNothingLeft();
  });

  it.each([
    ['cut off in the file', (form: Buffer) => form.subarray(0, 500_000)],
    ['cut off after the file', (form: Buffer) => form.subarray(0, form.length - 60)],
    ['cut off before its end', (form: Buffer) => form.subarray(0, form.length - 6)],
    ['with another boundary', (form: Buffer) => Buffer.from(form.toString().replaceAll(BOUNDARY, 'other'))],
    ['empty', () => Buffer.alloc(0)],
    ['of nonsense', () => Buffer.alloc(10_000, 'nonsense')],
  ])('%s is refused and leaves nothing', async (_what, spoil) => {
    const form = encodeForm([{ ...LINES, value: MEGABYTE }, BATCH], BOUNDARY);
    const { status } = await postBytes(api, spoil(form), FORM);
    expect(status).toBe(400);
    await expectNothingLeft();
  });

  it('without a boundary is refused', async () => {
    const { status } = await postBytes(api, encodeForm([LINES, BATCH], BOUNDARY), 'multipart/form-data');
    expect(status).toBe(400);
  });

  it('needs a key, and tells without reading', async () => {
    const { status } = await api.ask('/v1/files', {
      method: 'POST',
      headers: { authorization: 'Bearer dk_wrong_0123456789abcdef', 'content-type': FORM },
      body: new Uint8Array(encodeForm([{ ...LINES, value: MEGABYTE }, BATCH], BOUNDARY)),
    });
    expect(status).toBe(401);
    expect((await api.ask('/v1/files', { headers: { authorization: `Bearer ${OTHER_KEY}` } })).json.data).toEqual([]);
    await expectNothingLeft();
  });

  it.each(['../../etc/passwd', 'C:\\x\\y.jsonl', 'größe – 猫.jsonl', 'a\u202Egnp.jsonl', 'x'.repeat(400)])(
    'keeps the filename %s as far as it is safe, and out of the key',
    async (filename) => {
      const { json } = await postForm(api, [{ ...LINES, filename }, BATCH]);
      expect(json.filename.length).toBeLessThanOrEqual(255);
      expect(json.filename).not.toMatch(/[\\/\u202E]/);
      expect(filename.replace('\u202E', '')).toContain(json.filename);
      expect(await api.storedKeys()).toContain(`files/shop/${json.id}`);
      const { headers } = await api.ask(`/v1/files/${json.id}/content`);
      expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[ -~]+"/);
    },
  );

  function open(): Socket {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    sockets.push(socket);
    return socket;
  }

  /** An upload that has begun and does not go on. */
  async function begin(chunks: number): Promise<Socket> {
    const socket = open();
    await once(socket, 'connect');
    socket.write(rawUploadHead(BOUNDARY));
    socket.write(httpChunk(`--${BOUNDARY}\r\n${headOf(LINES)}`));
    for (let sent = 0; sent < chunks; sent += 1) socket.write(httpChunk(MEGABYTE));
    return socket;
  }

  it('whose caller leaves in the middle leaves nothing', async () => {
    const socket = await begin(12);
    await expect.poll(() => api.unfinished(), PATIENT).toHaveLength(1);
    socket.destroy();
    await expectNothingLeft();
  });

  it('of 201 MB is refused while it comes in, without waiting for its end', async () => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      start: (control) => control.enqueue(Buffer.from(`--${BOUNDARY}\r\n${headOf(LINES)}`)),
      pull: (control) => {
        if (sent === LONG_MEGABYTES) return control.close();
        sent += 1;
        control.enqueue(new Uint8Array(MEGABYTE));
      },
    });
    const reply = await fetch(`${api.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': FORM },
      body,
      duplex: 'half',
    });
    const { error } = (await reply.json()) as { error: { code: string; message: string } };
    expect([reply.status, error.code]).toEqual([413, 'request_too_large']);
    expect(error.message).toBe('The file is larger than 209715200 bytes.');
    expect(sent).toBeGreaterThan(200);
    expect(sent).toBeLessThan(LONG_MEGABYTES);
    await expectNothingLeft();
  });

  it('that says it is too long is refused unread', async () => {
    const socket = open();
    const head = rawUploadHead(BOUNDARY).replace('transfer-encoding: chunked', 'content-length: 300000000');
    socket.write(head);
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 413 [^]*request_too_large/);
    socket.destroy();
  });

  it('refused before its end is read on, so that the reply is seen and the connection goes on', async () => {
    const socket = open();
    socket.write(rawUploadHead(BOUNDARY));
    socket.write(httpChunk(`--${BOUNDARY}\r\n${headOf(BATCH)}nothing\r\n--${BOUNDARY}\r\n${headOf(LINES)}x`));
    const [refused] = (await once(socket, 'data')) as [Buffer];
    expect(refused.toString()).toMatch(/^HTTP\/1\.1 400 /);
    for (let sent = 0; sent < 20; sent += 1) socket.write(httpChunk(MEGABYTE));
    socket.write('0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
    const [alive] = (await once(socket, 'data')) as [Buffer];
    expect(alive.toString()).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('does not hold up other requests', async () => {
    for (let at = 0; at < 4; at += 1) await begin(12);
    await expect.poll(() => api.unfinished(), PATIENT).toHaveLength(4);
    for (let at = 0; at < 50; at += 1) expect((await postForm(api, [LINES])).status).toBe(400);
    expect((await api.ask('/v1/files')).json.data).toHaveLength(kept.length);
    expect(await api.unfinished()).toHaveLength(4);
    for (const socket of sockets.splice(0)) socket.destroy();
    await expectNothingLeft();
  });
});

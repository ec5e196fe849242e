// The drop-in routes as other clients speak to them: curl, OkHttp, Python, and hand-written HTTP. What counts is what the
// upstream is sent and what comes back.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorOf, type Reply } from '../support/api.ts';
import { type ImageServer, startImageServer } from '../support/image-server.ts';
import { expectOnePurchase } from '../support/one-purchase.ts';
import { dataUrl, JPEG, png, sha256Of, WEBP } from '../support/pictures.ts';
import { type FormPart, oddForm, okHttpForm, postRaw, requestsForm } from '../support/raw-http.ts';
import { runCommand } from '../support/run-command.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { startWiretap, type Wiretap } from '../support/wiretap.ts';

const BOUNDARY = '3bdc4dd8-6a25-4b8f-9c5e-8b1f0f6f9a11';
const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const image = png(64);
const mask = png(64, { alpha: 'hole' });

let stack: TestStack;
let wiretap: Wiretap;
let pictures: ImageServer;
let folder: string;
let edits: string;

beforeAll(async () => {
  [wiretap, pictures] = await Promise.all([startWiretap(), startImageServer()]);
  stack = await startTestStack({
    env: { OPENAI_BASE_URL: wiretap.baseUrl, ALLOW_PRIVATE_URLS: '127.0.0.1/32' },
  });
  wiretap.passOnTo(stack.simulator.url);
  edits = `${stack.api.url}/v1/images/edits`;
  folder = mkdtempSync(join(tmpdir(), 'darkroom-raw-'));
  for (const [name, bytes] of Object.entries({ 'a.png': image, 'b.jpg': JPEG, 'c.webp': WEBP, 'm.png': mask })) {
    writeFileSync(join(folder, name), bytes);
  }
  writeFileSync(join(folder, 'large.png'), png(800, { isNoise: true }));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stack.stop();
  await Promise.all([wiretap.stop(), pictures.stop()]);
});

/** The fields every form of these tests has. */
const fieldsOf = (prompt: string): FormPart[] =>
  Object.entries({ model: 'gpt-image-2', prompt, size: '1024x1024', quality: 'low', n: '1' }).map(([name, data]) => ({
    name,
    data,
  }));

/** The upstream got these images, the caller one picture. */
async function expectEdit(prompt: string, reply: unknown, images: readonly (readonly [Buffer, string])[]) {
  await expectOnePurchase(stack, prompt, reply as OpenAI.ImagesResponse);
  const [sent] = wiretap.sent(prompt);
  expect(sent?.images.map(({ sha256, type }) => [sha256, type])).toEqual(
    images.map(([bytes, type]) => [sha256Of(bytes), type]),
  );
}

function expectOk(reply: Reply): unknown {
  expect([reply.status, reply.status === 200 ? '' : reply.text]).toEqual([200, '']);
  return reply.json;
}

describe.concurrent('curl', () => {
  const at = (name: string): string => `@${join(folder, name)}`;
  const curl = (path: string, args: readonly string[]) =>
    runCommand('curl', ['-sS', '-v', stack.api.url + path, '-H', 'Authorization: Bearer dk_unused', ...args]);
  const edit = (prompt: string, args: readonly string[]) =>
    curl('/v1/images/edits', [
      ...fieldsOf(prompt).flatMap(({ name, data }) => ['-F', `${name}=${String(data)}`]),
      ...args,
    ]);

  test('-F image=@a.png -F mask=@m.png', async () => {
    const { stdout } = await edit('by curl', ['-F', `image=${at('a.png')}`, '-F', `mask=${at('m.png')}`]);
    await expectEdit('by curl', JSON.parse(stdout), [
      [image, 'image/png'],
      [mask, 'image/png'],
    ]);
  });

  test('-F image[]=@… for each of several, one without a type of its own', async () => {
    // curl does not know webp files: it calls them application/octet-stream.
    const files = ['a.png', 'b.jpg', 'c.webp'].flatMap((name) => ['-F', `image[]=${at(name)}`]);
    const { stdout } = await edit('several by curl', files);
    await expectEdit('several by curl', JSON.parse(stdout), [
      [image, 'image/png'],
      [JPEG, 'image/jpeg'],
      [WEBP, 'image/webp'],
    ]);
  });

  test('of a large body: it is told to go on, and goes on', async () => {
    const args = ['-F', `image=${at('large.png')}`, '-H', 'Expect: 100-continue', '--expect100-timeout', '30'];
    const { stdout, stderr } = await edit('a large one by curl', args);
    expect(stderr).toMatch(/< HTTP\/1\.1 100 Continue/);
    await expectOnePurchase(stack, 'a large one by curl', JSON.parse(stdout) as OpenAI.ImagesResponse);
  });

  test('-d of JSON', async () => {
    const prompt = 'a cat by curl';
    const body = JSON.stringify({ model: 'dall-e-3', prompt, response_format: 'b64_json' });
    const { stdout } = await curl('/v1/images/generations', ['-H', 'Content-Type: application/json', '-d', body]);
    await expectOnePurchase(stack, prompt, JSON.parse(stdout) as OpenAI.ImagesResponse);
  });
});

describe.concurrent('OkHttp', () => {
  const parts = (prompt: string): FormPart[] => [
    ...fieldsOf(prompt),
    { name: 'image', filename: 'a.png', type: 'image/png', data: image },
    { name: 'mask', filename: 'm.png', type: 'image/png', data: mask },
  ];
  const sentBoth = [
    [image, 'image/png'],
    [mask, 'image/png'],
  ] as const;

  test('with a length for each part, twice over one connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const prompt of ['okhttp first', 'okhttp again']) {
      const body = okHttpForm(BOUNDARY, parts(prompt));
      const headers = {
        'Content-Type': FORM,
        'Content-Length': String(body.length),
        Connection: 'Keep-Alive',
        'Accept-Encoding': 'gzip',
        'User-Agent': 'okhttp/4.12.0',
      };
      await expectEdit(prompt, expectOk(await postRaw(edits, { headers, body: [body], agent })), sentBoth);
    }
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
    agent.destroy();
  });

  test('chunked, in pieces that cut through boundaries, with header names in lower case', async () => {
    const prompt = 'okhttp in pieces';
    const whole = okHttpForm(BOUNDARY, parts(prompt));
    const body = Array.from({ length: Math.ceil(whole.length / 37) }, (_, at) => whole.subarray(at * 37, at * 37 + 37));
    const headers = { 'content-type': FORM, 'user-agent': 'okhttp/5.0.0' };
    await expectEdit(prompt, expectOk(await postRaw(edits, { headers, body })), sentBoth);
  });

  test('with text parts that name their type and charset', async () => {
    const prompt = 'кошка зимой';
    const typed = parts(prompt).map((part) => ({ type: 'text/plain; charset=utf-8', ...part }));
    const body = [okHttpForm(BOUNDARY, typed)];
    await expectEdit(prompt, expectOk(await postRaw(edits, { headers: { 'Content-Type': FORM }, body })), sentBoth);
  });
});

describe.concurrent('Python', () => {
  const python = async (path: string, type: string, body: Buffer): Promise<unknown> => {
    const script = `
import base64, http.client, sys
host, path, kind = sys.argv[1:]
connection = http.client.HTTPConnection(host, timeout=30)
connection.request("POST", path, base64.b64decode(sys.stdin.read()), {
    "User-Agent": "python-requests/2.32.5", "Accept-Encoding": "gzip, deflate", "Accept": "*/*",
    "Connection": "keep-alive", "Content-Type": kind})
reply = connection.getresponse()
text = reply.read().decode()
if reply.status != 200: sys.exit(str(reply.status) + text)
print(text)`;
    const { host } = new URL(stack.api.url);
    const { stdout } = await runCommand('python3', ['-c', script, host, path, type], body.toString('base64'));
    return JSON.parse(stdout) as unknown;
  };

  test('requests: a form whose parts name no types', async () => {
    const prompt = 'by requests';
    const hex = '7d1f3c5b9a8e4d2c6b0a1f2e3d4c5b6a';
    const body = requestsForm(hex, [
      ...fieldsOf(prompt),
      { name: 'image', filename: 'a.png', data: image },
      { name: 'mask', filename: 'm.png', data: mask },
    ]);
    const reply = await python('/v1/images/edits', `multipart/form-data; boundary=${hex}`, body);
    await expectEdit(prompt, reply, [
      [image, 'image/png'],
      [mask, 'image/png'],
    ]);
  });

  test('requests: JSON with its spaces and escapes', async () => {
    const prompt = 'Kätzchen 🐈';
    const ascii = '"K\\u00e4tzchen \\ud83d\\udc08"';
    const text = `{"model": "dall-e-2", "prompt": ${ascii}, "n": 1, "size": "1024x1024", "response_format": "b64_json"}`;
    const reply = await python('/v1/images/generations', 'application/json', Buffer.from(text));
    await expectOnePurchase(stack, prompt, reply as OpenAI.ImagesResponse);
  });
});

describe.concurrent('a form', () => {
  const files: FormPart[] = [
    { name: 'image', filename: 'a.png', type: 'image/png', data: image },
    { name: 'mask', filename: 'm.png', type: 'image/png', data: mask },
  ];

  test('may be written oddly and have its files before its fields', async () => {
    const prompt = 'files-first';
    const headers = { 'CONTENT-TYPE': `Multipart/Form-Data; Boundary="${BOUNDARY}"` };
    const body = [oddForm(BOUNDARY, [...files, ...fieldsOf(prompt)])];
    await expectEdit(prompt, expectOk(await postRaw(edits, { headers, body })), [
      [image, 'image/png'],
      [mask, 'image/png'],
    ]);
  });

  test('may name several files `image`, and `image[0]` or `image[]`, and keeps their order', async () => {
    for (const [says, names] of [
      ['same name', ['image', 'image', 'image']],
      ['with brackets', ['image[]', 'image[]', 'image[]']],
    ] as const) {
      const three = [image, JPEG, WEBP].map((data, at) => ({ name: names[at] ?? '', filename: `${at}`, data }));
      const body = [requestsForm(BOUNDARY, [...fieldsOf(says), ...three])];
      await expectEdit(says, expectOk(await postRaw(edits, { headers: { 'content-type': FORM }, body })), [
        [image, 'image/png'],
        [JPEG, 'image/jpeg'],
        [WEBP, 'image/webp'],
      ]);
    }
  });

  test('of a variation is a form of one image', async () => {
    const body = [
      requestsForm(BOUNDARY, [
        { name: 'image', filename: 'a.png', data: image },
        { name: 'n', data: '2' },
      ]),
    ];
    const url = `${stack.api.url}/v1/images/variations`;
    const reply = expectOk(await postRaw(url, { headers: { 'content-type': FORM }, body }));
    expect((reply as OpenAI.ImagesResponse).data).toHaveLength(2);
  });

  const refusals: readonly { says: string; parts: FormPart[]; param: string; code: string }[] = [
    { says: 'two prompts', parts: [...fieldsOf('one'), { name: 'prompt', data: 'two' }], param: 'prompt', code: '' },
    { says: 'two masks', parts: [...fieldsOf('x'), ...files.slice(1), ...files.slice(1)], param: 'mask', code: '' },
    {
      says: 'a file nobody asked for',
      parts: [...fieldsOf('x'), { name: 'attachment', filename: 'a.png', data: image }],
      param: 'attachment',
      code: 'unknown_parameter',
    },
    {
      says: 'an image as text',
      parts: [...fieldsOf('x'), { name: 'image', data: 'a.png' }],
      param: 'image',
      code: '',
    },
  ];
  test.each(refusals)('with $says is refused by name', async ({ says, parts, param, code }) => {
    const all = says === 'an image as text' ? parts : [...parts, ...files.slice(0, 1)];
    const body = [requestsForm(BOUNDARY, all)];
    const reply = await postRaw(edits, { headers: { 'content-type': FORM }, body });
    expect([reply.status, errorOf(reply).param]).toEqual([400, param]);
    if (code !== '') expect(errorOf(reply).code).toBe(code);
  });

  test.each([
    ['text/plain', 415],
    ['multipart/form-data', 400],
  ])('sent as %s is refused with %i', async (type, status) => {
    const body = [requestsForm(BOUNDARY, [...fieldsOf('x'), ...files])];
    const reply = await postRaw(edits, { headers: { 'content-type': type }, body });
    expect([400, 415]).toContain(reply.status);
    expect([reply.status, errorOf(reply).type]).toEqual([status, 'invalid_request_error']);
  });

  test('that breaks off is refused and buys nothing', async () => {
    const whole = requestsForm(BOUNDARY, [...fieldsOf('broken off'), ...files]);
    const body = [whole.subarray(0, whole.length - 60)];
    const reply = await postRaw(edits, { headers: { 'content-type': FORM }, body });
    expect([reply.status, errorOf(reply).type]).toEqual([400, 'invalid_request_error']);
    expect(wiretap.sent('broken off')).toEqual([]);
  });
});

describe.concurrent('an edit as JSON', () => {
  const post = (body: object): Promise<Reply> =>
    stack.api.request('POST', '/v1/images/edits', {
      body: { model: 'gpt-image-2', quality: 'low', size: '1024x1024', ...body },
    });

  test('takes data URLs, links and file ids, and a mask', async () => {
    const prompt = 'by reference';
    const form = new FormData();
    form.set('purpose', 'vision');
    form.set('file', new Blob([WEBP]), 'c.webp');
    const upload = await fetch(`${stack.api.url}/v1/files`, { method: 'POST', body: form });
    const { id } = (await upload.json()) as { id: string };
    const link = pictures.put('/b.jpg', JPEG, 'image/jpeg');
    const images = [{ image_url: dataUrl(image) }, { image_url: `${link}?token=secret` }, { file_id: id }];
    const reply = await post({ prompt, images, mask: { image_url: dataUrl(mask) } });
    await expectEdit(prompt, expectOk(reply), [
      [image, 'image/png'],
      [JPEG, 'image/jpeg'],
      [WEBP, 'image/webp'],
      [mask, 'image/png'],
    ]);
    const job = await stack.api.job(reply.headers.get('x-darkroom-job-id') ?? '');
    expect(job.input['images']).toMatchObject([{ sha256: sha256Of(image) }, { image_url: link }, { file_id: id }]);
    expect(JSON.stringify(job)).not.toMatch(/token=secret|base64/);
  });

  test('makes respond-async jobs as well', async () => {
    const body = { model: 'gpt-image-2', quality: 'low', prompt: 'later', images: [{ image_url: dataUrl(image) }] };
    const headers = { prefer: 'respond-async' };
    const reply = await stack.api.request('POST', '/v1/images/edits', { body, headers });
    expect(reply.status).toBe(202);
    expect((await stack.api.ended((reply.json as { id: string }).id)).status).toBe('completed');
  });

  test.each([
    ['both an id and a link', [{ file_id: 'file-1', image_url: 'https://x' }]],
    ['neither', [{}]],
    ['a bare string', ['https://example.com/a.png']],
    ['no list', { image_url: 'https://example.com/a.png' }],
    ['an empty list', []],
  ])('with %s is refused by name', async (_says, images) => {
    const reply = await post({ prompt: 'x', images });
    expect([reply.status, errorOf(reply).type]).toEqual([400, 'invalid_request_error']);
    expect(errorOf(reply).param).toMatch(/^images/);
  });
});

// Input images that must not get in, and those that may: refused before anything is stored, queued or spent, with OpenAI's
// codes; what is taken is kept once, for its account alone.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api, type ApiError, type Job } from '../support/api.ts';
import { editOf, runWith, uploadVision, variationOf } from '../support/edit-requests.ts';
import { type ImageServer, startImageServer } from '../support/image-server.ts';
import { dataUrl, GIF, JPEG, png, pngBomb, SVG, sha256Of, WEBP } from '../support/pictures.ts';
import { openForm } from '../support/raw-form.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { storedKeys } from '../support/stored-keys.ts';

type Problem = readonly [code: string, param: string];
type Input = Readonly<Record<string, unknown>>;

const SHOP = 'dk_shop-key-0123456789';
const OTHER = 'dk_other-key-0123456789';
/** A link that may not be followed: wrong as a value, or as a link. */
const LINK = /^invalid_(image_url|value)$/;
const MEGABYTE = 1_048_576;

let [stack, other, web, temp]: [TestStack, TestStack, ImageServer, string] = [] as never;
let s3: S3Process;

beforeAll(async () => {
  [web, s3, temp] = await Promise.all([
    startImageServer(),
    startS3Process(),
    mkdtemp(join(tmpdir(), 'darkroom-e2e-temp-')),
  ]);
  const env = { AUTH: 'keys', API_KEYS: `shop:${SHOP},other:${OTHER}`, ALLOW_PRIVATE_URLS: '127.0.0.1', TMPDIR: temp };
  stack = await startTestStack({ env: { ...env, ...s3.env } }, SHOP);
  other = { ...stack, api: new Api(stack.api.url, OTHER), openai: stack.openai.withOptions({ apiKey: OTHER }) };
});
afterAll(async () => {
  try {
    await stack.stop();
  } finally {
    await Promise.all([web.stop(), s3.stop(), rm(temp, { recursive: true, force: true })]);
  }
});

/** Every problem a job is refused with: code and param. Fails when it is not refused with a 400. */
async function refusalOf(body: Input, api = stack.api): Promise<Problem[]> {
  const reply = await api.request('POST', '/v1/jobs', { body });
  expect([reply.status, reply.headers.get('x-request-id')]).toEqual([400, expect.stringMatching(/^req_/)]);
  return problemsIn((reply.json as { error: ApiError & { details?: ApiError[] } }).error);
}

function problemsIn(error: ApiError & { readonly details?: readonly ApiError[] }): Problem[] {
  for (const { message, type } of [error, ...(error.details ?? [])]) {
    expect([type, message]).toEqual([expect.stringMatching(/_error$/), expect.stringMatching(/./)]);
  }
  return (error.details ?? [error]).map(({ code, param }) => [code ?? '', param ?? '']);
}

/** What a refused request must leave as it was. */
async function traces(): Promise<unknown> {
  const [keys, jobs, ledger] = await Promise.all([
    storedKeys(stack.directory, s3, ''),
    stack.redis.keys('*:job:*'),
    stack.simulator.ledger(),
  ]);
  return { keys, jobs: jobs.length, requests: ledger.requests.length };
}

/** The image as it stands and the other fields of an edit. */
const one = (bytes: Buffer, type?: string): Input => ({ images: [{ image_url: dataUrl(bytes, type) }] });
const masked = (mask: Buffer, type?: string): Input => ({ ...one(png(64)), mask: { image_url: dataUrl(mask, type) } });
const linked = (image_url: string): Input => ({ images: [{ image_url }] });

describe('an edit is refused, and nothing is stored, queued or spent, for', () => {
  let before: unknown;
  let kept = '';
  beforeAll(async () => {
    kept = await uploadVision(stack, png(64));
    before = await traces();
  });

  /** `code`: what OpenAI answers; several where it is not known which. */
  const table: readonly (readonly [what: string, input: () => Input, code: RegExp, param: string])[] = [
    ['no image', () => ({ images: [] }), /./, 'input.images'],
    [
      'seventeen images',
      () => ({ images: Array.from({ length: 17 }, () => ({ image_url: dataUrl(WEBP, 'image/webp') })) }),
      /^array_above_max_length$/,
      'input.images',
    ],
    ['an SVG that says it is a PNG', () => one(SVG), /^unsupported_file_mimetype$/, 'input.images[0]'],
    ['a GIF that says it is a PNG', () => one(GIF), /^unsupported_file_mimetype$/, 'input.images[0]'],
    ['an SVG behind a link', () => linked(web.put('/a.png', SVG)), /^unsupported_file_mimetype$/, 'input.images[0]'],
    ['a text', () => one(Buffer.from('not an image at all')), /./, 'input.images[0]'],
    ['an empty data URL', () => linked('data:image/png;base64,'), /./, 'input.images[0]'],
    ['a data URL that is no base64', () => linked('data:image/png;base64,%%%'), /./, 'input.images[0]'],
    ['a JPEG cut in half', () => one(JPEG.subarray(0, 300), 'image/jpeg'), /^invalid_image_file$/, 'input.images[0]'],
    [
      'a PNG cut short',
      () => one(png(64, { isNoise: true }).subarray(0, 6_000)),
      /^invalid_image_file$/,
      'input.images[0]',
    ],
    [
      'an SVG behind a PNG’s first bytes',
      () => one(polyglot()),
      /^(invalid_image_file|unsupported_file_mimetype)$/,
      'input.images[0]',
    ],
    [
      'a JPEG behind a GIF’s first bytes',
      () => one(Buffer.concat([GIF, JPEG])),
      /^unsupported_file_mimetype$/,
      'input.images[0]',
    ],
    ['a mask of another size', () => masked(png(48, { alpha: 'hole' })), /^invalid_mask_image_format$/, 'input.mask'],
    ['a mask without alpha', () => masked(png(64)), /^invalid_mask_image_format$/, 'input.mask'],
    [
      'a mask that is a JPEG',
      () => masked(JPEG, 'image/jpeg'),
      /^(invalid_mask_image_format|unsupported_file_mimetype)$/,
      'input.mask',
    ],
    [
      'a mask of 4 MB',
      () => {
        const mask = png(1_024, { alpha: 'hole', isNoise: true });
        return { images: [{ image_url: dataUrl(png(1_024)) }], mask: { image_url: dataUrl(mask) } };
      },
      /^file_too_large$/,
      'input.mask',
    ],
    [
      'an image with two names',
      () => ({ images: [{ file_id: kept, ...linkOf('/two.png') }] }),
      /^invalid_value$/,
      'input.images[0]',
    ],
    ['an image without a name', () => ({ images: [{}] }), /./, 'input.images[0]'],
    ['an image that is a text', () => ({ images: ['https://example.com/a.png'] }), /^invalid_type$/, 'input.images[0]'],
    [
      'a field no image has',
      () => ({ images: [{ file_id: kept, detail: 'low' }] }),
      /^unknown_parameter$/,
      'input.images[0]',
    ],
    [
      'an unknown file',
      () => ({ images: [{ file_id: 'file-00000000000000000000000000' }] }),
      /^file_not_found$/,
      'input.images[0]',
    ],
    [
      'a file id that is none',
      () => ({ images: [{ file_id: '../../etc/passwd' }] }),
      /^(file_not_found|invalid_value)$/,
      'input.images[0]',
    ],
    ['a link into this machine', () => linked('http://127.0.0.2:80/a.png'), LINK, 'input.images[0]'],
    ['a link into a private net', () => linked('http://10.0.0.1/a.png'), LINK, 'input.images[0]'],
    ['a link to the metadata server', () => linked('http://169.254.169.254/latest/'), LINK, 'input.images[0]'],
    ['a link into this machine, in one number', () => linked('http://2130706434/a.png'), LINK, 'input.images[0]'],
    ['a link into a private net, in IPv6', () => linked('http://[::ffff:10.0.0.1]/a.png'), LINK, 'input.images[0]'],
    ['a link with a password', () => linked('http://me:secret@example.com/a.png'), LINK, 'input.images[0]'],
    ['a link to a file', () => linked('file:///etc/passwd'), LINK, 'input.images[0]'],
    ['a link to nothing', () => linked(web.url('/nothing.png')), /^invalid_image_url$/, 'input.images[0]'],
    ['a link where nobody listens', () => linked('http://127.0.0.1:1/a.png'), /^invalid_image_url$/, 'input.images[0]'],
    [
      'a link that leads into a private net',
      () => linked(web.redirect('/hop.png', `http://127.0.0.2:${web.port}/secret.png`)),
      /^invalid_image_url$/,
      'input.images[0]',
    ],
    [
      'a link that leads to itself',
      () => linked(web.redirect('/loop.png', web.url('/loop.png'))),
      /^invalid_image_url$/,
      'input.images[0]',
    ],
    [
      'a mask of another’s words',
      () => ({ ...one(png(64)), mask: { file_id: 'file-nope' } }),
      /^file_not_found$/,
      'input.mask',
    ],
  ];

  test.each(table)('%s', async (_, input, code, param) => {
    const problems = await refusalOf(editOf({ prompt: 'x', ...input() }));
    expect(problems[0]?.[0]).toMatch(code);
    for (const [, where] of problems) expect(where).toMatch(paramOrBelow(param));
    expect(await traces()).toEqual(before);
  });

  test('a file that is there for a batch', async () => {
    const file = await toFile(png(64), 'lines.jsonl');
    const { id } = await stack.openai.files.create({ file, purpose: 'batch' });
    const [problem] = await refusalOf(editOf({ prompt: 'x', images: [{ file_id: id }] }));
    expect(problem).toEqual(['invalid_value', expect.stringMatching(paramOrBelow('input.images[0]'))]);
    await stack.openai.files.delete(id);
    expect(await traces()).toEqual(before);
  });

  test('a file of another account, in the words for one that is not there', async () => {
    const body = editOf({ prompt: 'x', images: [{ file_id: kept }] });
    expect(await refusalOf(body, other.api)).toEqual([
      ['file_not_found', expect.stringMatching(paramOrBelow('input.images[0]'))],
    ]);
    expect(await traces()).toEqual(before);
  });

  test('a variation of two images', async () => {
    const images = [1, 2].map(() => ({ image_url: dataUrl(png(64)) }));
    const [problem] = await refusalOf(variationOf({ images }));
    expect(problem).toEqual(['array_above_max_length', 'input.images']);
    expect(await traces()).toEqual(before);
  });

  test('several reasons in its fields and references, all told at once', async () => {
    const images = [{ file_id: kept, image_url: 'https://example.com/a.png' }, {}];
    const problems = await refusalOf(editOf({ prompt: null, n: 11, size: '7x7', images, maks: {} }));
    expect(new Set(problems.map(([, param]) => param.replace(/^input\.(images\[\d\]).*/, 'input.$1')))).toEqual(
      new Set(['input.prompt', 'input.n', 'input.size', 'input.maks', 'input.images[0]', 'input.images[1]']),
    );
    expect(await traces()).toEqual(before);
  });

  test('several images that can’t be had, all told at once', async () => {
    const images = [
      { file_id: 'file-00000000000000000000000000' },
      { image_url: web.url('/nothing.png') },
      { image_url: dataUrl(png(32)) },
      { image_url: dataUrl(GIF) },
    ];
    const problems = await refusalOf(
      editOf({ prompt: 'x', images, mask: { image_url: dataUrl(JPEG.subarray(0, 300)) } }),
    );
    expect(problems.map(([code, param]) => [code, param.replace(/\.(file_id|image_url)$/, '')])).toEqual([
      ['file_not_found', 'input.images[0]'],
      ['invalid_image_url', 'input.images[1]'],
      ['unsupported_file_mimetype', 'input.images[3]'],
      ['invalid_image_file', 'input.mask'],
    ]);
    expect(await traces()).toEqual(before);
  });

  test('nothing at all when it only asks what would happen: the links are followed, no more', async () => {
    const url = web.put('/plan.png', png(96));
    const reply = await stack.api.request('POST', '/v1/jobs', {
      body: editOf({ prompt: 'x', images: [{ image_url: url }] }, { dry_run: true }),
    });
    expect([reply.status, (reply.json as { calls: unknown[] }).calls]).toEqual([200, [expect.anything()]]);
    expect(web.asked('/plan.png')).toBe(1);
    expect(await traces()).toEqual(before);
  });

  test('a secret place behind a redirect is never knocked at', () => {
    expect(web.asked('/hop.png')).toBe(1);
    expect(web.asked('/secret.png')).toBe(0);
    expect(web.asked('/a.png', '127.0.0.2')).toBe(0);
  });

  test.each(['a link', 'a form'])(
    'a picture of 1 GB in a file of 1 MB, by %s, and the API goes on meanwhile',
    async (way) => {
      const bomb = pngBomb();
      const asked = performance.now();
      const refused =
        way === 'a link'
          ? refusalOf(editOf({ prompt: 'x', images: [{ image_url: web.put('/bomb.png', bomb) }] }))
          : refusalOfForm(bomb);
      const slowest = await slowestLivez(refused);
      const [problem] = await refused;
      expect(problem?.[0]).toMatch(/^(invalid_image_file|file_too_large)$/);
      say(`bomb by ${way}: ${Math.round(performance.now() - asked)} ms, slowest livez ${Math.round(slowest)} ms`);
      expect(performance.now() - asked).toBeLessThan(5_000);
      expect(slowest).toBeLessThan(1_000);
      expect(await traces()).toEqual(before);
    },
  );

  test.runIf(existsSync('/proc/self/status'))(
    'a file past 50 MB, while it is being read and without holding it: memory stays flat',
    async () => {
      await sendLarge(60);
      const start = peakBytes(stack.stack.api.pid);
      const replies = await Promise.all(Array.from({ length: 4 }, () => sendLarge(90)));
      for (const reply of replies) {
        expect(reply).toMatchObject({ status: 400, error: { code: 'file_too_large', param: 'image' } });
      }
      const grown = (peakBytes(stack.stack.api.pid) - start) / MEGABYTE;
      say(`four files of 90 MB at once: memory at its highest grew by ${Math.round(grown)} MB`);
      expect(grown).toBeLessThan(100);
      expect(await traces()).toEqual(before);
    },
  );

  test('a link to more than 50 MB', async () => {
    const url = web.put('/large.png', Buffer.concat([png(64), Buffer.alloc(51 * MEGABYTE)]));
    const [problem] = await refusalOf(editOf({ prompt: 'x', images: [{ image_url: url }] }));
    expect(problem).toEqual(['file_too_large', expect.stringMatching(paramOrBelow('input.images[0]'))]);
    expect(await traces()).toEqual(before);
  });
});

describe('a vision file', () => {
  test.each([
    ['an SVG', () => SVG, 'unsupported_file_mimetype'],
    ['a GIF', () => GIF, 'unsupported_file_mimetype'],
    ['a JPEG cut in half', () => JPEG.subarray(0, 300), 'invalid_image_file'],
    ['a picture of 1 GB', pngBomb, 'invalid_image_file'],
  ])('is refused when it is %s, and nothing is kept of it', async (_, bytes, code) => {
    const before = await traces();
    const file = await toFile(bytes(), 'a.png', { type: 'image/png' });
    const refused = stack.openai.files.create({ file, purpose: 'vision' });
    await expect(refused).rejects.toMatchObject({ status: 400, code, param: 'file' });
    expect(await traces()).toEqual(before);
  });

  test('that is a page as well is given back as the picture it is, never as a page', async () => {
    const page = Buffer.concat([png(64), Buffer.from('<html><script>alert(1)</script></html>')]);
    const { headers } = await stack.openai.files.content(await uploadVision(stack, page));
    expect([headers.get('content-type'), headers.get('x-content-type-options')]).toEqual(['image/png', 'nosniff']);
    expect(headers.get('content-disposition')).toMatch(/^attachment/);
  });
});

describe('what is taken', () => {
  test('is stored once, however often it comes at once and by whatever way', async () => {
    const image = png(320, { isNoise: true });
    const url = web.put('/same.png', image);
    const file_id = await uploadVision(stack, image);
    const ways = [{ image_url: dataUrl(image) }, { image_url: url }, { file_id }];
    const jobs = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        runWith(stack, editOf({ prompt: `same ${index}`, images: [ways[index % 3]] })),
      ),
    );
    expect(jobs.map((job) => job.status)).toEqual(jobs.map(() => 'completed'));
    expect(new Set(jobs.map(({ input }) => (input['images'] as { sha256: string }[])[0]?.sha256))).toEqual(
      new Set([sha256Of(image)]),
    );
    expect(await keysOf(image)).toEqual([`inputs/shop/${sha256Of(image)}`]);
  });

  test('is stored once when the first twenty come at the same moment', async () => {
    const image = png(320, { isNoise: true });
    const bodies = Array.from({ length: 20 }, () => editOf({ prompt: 'at once', ...one(image) }));
    const jobs = await Promise.all(bodies.map((body) => runWith(stack, body)));
    expect(jobs.map((job) => job.status)).toEqual(jobs.map(() => 'completed'));
    expect(await keysOf(image)).toEqual([`inputs/shop/${sha256Of(image)}`]);
  });

  test('is kept for each account by itself', async () => {
    const image = png(64);
    const run = (who: TestStack): Promise<Job> => runWith(who, editOf({ prompt: 'shared', ...one(image) }));
    const jobs = await Promise.all([run(stack), run(other)]);
    expect(jobs.map((job) => job.status)).toEqual(['completed', 'completed']);
    expect(await keysOf(image)).toEqual([`inputs/other/${sha256Of(image)}`, `inputs/shop/${sha256Of(image)}`]);
  });

  test('survives the file it came by only as long as jobs need it, and never for others', async () => {
    const image = png(64);
    const file_id = await uploadVision(stack, image);
    await runWith(other, editOf({ prompt: 'theirs', ...one(image) }));
    expect((await stack.openai.files.delete(file_id)).deleted).toBe(true);
    expect(await refusalOf(editOf({ prompt: 'x', images: [{ file_id }] }))).toEqual([
      ['file_not_found', expect.stringMatching(paramOrBelow('input.images[0]'))],
    ]);
    const theirs = await runWith(other, editOf({ prompt: 'theirs', ...one(image) }));
    expect(theirs.status).toBe('completed');
  });
});

test('no temporary file is left', () => {
  expect(readdirSync(temp, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())).toEqual([]);
});

/** The reference, or its field. */
function paramOrBelow(param: string): RegExp {
  return new RegExp(`^${param.replaceAll(/[[\].]/g, '\\$&')}(\\.\\w+)?$`);
}

function linkOf(path: string): Input {
  return { image_url: web.url(path) };
}

/** PNG by its first bytes, a document by the rest. */
function polyglot(): Buffer {
  return Buffer.concat([png(64).subarray(0, 33), SVG]);
}

/** The longest the API took to say that it lives, ms, asked again and again until `over` has settled. */
async function slowestLivez(over: Promise<unknown>): Promise<number> {
  const done = over.then(
    () => null,
    () => null,
  );
  for (let slowest = 0; ; ) {
    const asked = performance.now();
    const live = fetch(`${stack.api.url}/livez`).then(({ status }) => {
      expect(status).toBe(200);
      return performance.now() - asked;
    });
    const ms = await Promise.race([done, live]);
    if (ms === null) return Math.max(slowest, await live);
    slowest = Math.max(slowest, ms);
  }
}

async function keysOf(image: Buffer): Promise<string[]> {
  return (await storedKeys(stack.directory, s3, 'inputs/')).filter((key) => key.endsWith(sha256Of(image)));
}

async function refusalOfForm(file: Buffer): Promise<Problem[]> {
  const form = openForm(`${stack.api.url}/v1/images/edits`, { model: 'gpt-image-2', prompt: 'x' }, SHOP);
  await form.write(file);
  form.end();
  const reply = await form.reply;
  expect(reply?.status).toBe(400);
  return reply?.error ? problemsIn(reply.error) : [];
}

/** A form whose file is so many megabytes, sent as fast as it is taken. */
async function sendLarge(megabytes: number): ReturnType<typeof openForm>['reply'] {
  const form = openForm(`${stack.api.url}/v1/images/edits`, { model: 'gpt-image-2', prompt: 'x' }, SHOP);
  const piece = Buffer.alloc(MEGABYTE);
  await form.write(png(64));
  for (let sent = 0; sent < megabytes; sent += 1) await form.write(piece);
  form.end();
  return form.reply;
}

/** The most memory a process has ever held. */
function peakBytes(pid: number): number {
  const [, kilobytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1_024;
}

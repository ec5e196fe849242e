// Edits and variations: what callers may send, what the upstream then gets, and that nothing but storage ever holds the
// bytes. Cases run side by side; each knows its own upstream requests by its prompt.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { errorOf } from '../support/api.ts';
import { editOf, requestsOf, runWith, submitWith, uploadVision, variationOf } from '../support/edit-requests.ts';
import { type Hooks, startHooks } from '../support/hooks.ts';
import { type ImageServer, startImageServer } from '../support/image-server.ts';
import { expectImagesToBeWhole } from '../support/images.ts';
import { dataUrl, JPEG, png, sha256Of, sizeOfPng, WEBP } from '../support/pictures.ts';
import { redisHistory, redisValues } from '../support/redis-contents.ts';
import { type S3Process, startS3Process } from '../support/s3.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { storedKeys } from '../support/stored-keys.ts';
import { until } from '../support/until.ts';
import { type Sent, startWiretap, type Wiretap } from '../support/wiretap.ts';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const URL_SECRET = 'q7Zr1-not-to-be-kept';
const LARGEST_VALUE = 100_000;

/** What upstream images were: their bytes by hash, and the type told. */
const picturesIn = ({ images }: Sent): unknown[] => images.map(({ sha256, type }) => [sha256, type]);
const pictureOf = (bytes: Buffer, type = 'image/png'): unknown => [sha256Of(bytes), type];
const imagesOf = (job: Job): unknown => job.input['images'];

describe.each(['disk', 's3'] as const)('with inputs on %s', (kind) => {
  /** Large enough to be found if it lay where it must not. */
  const large = png(400, { isNoise: true });
  let [s3, stack, tap, hooks, web]: [S3Process | null, TestStack, Wiretap, Hooks, ImageServer] = [] as never;

  beforeAll(async () => {
    [s3, tap, hooks, web] = await Promise.all([
      kind === 's3' ? startS3Process() : null,
      startWiretap(),
      startHooks(SECRET),
      startImageServer(),
    ]);
    stack = await startTestStack({
      env: { ALLOW_PRIVATE_URLS: '127.0.0.1', WEBHOOK_SECRET: SECRET, OPENAI_BASE_URL: tap.baseUrl, ...s3?.env },
    });
    tap.passOnTo(stack.simulator.url);
  });
  afterAll(async () => {
    try {
      await stack.stop();
    } finally {
      await Promise.all([s3?.stop(), tap.stop(), hooks.stop(), web.stop()]);
    }
  });

  /** The job has ended well, and its one upstream request. */
  async function soleRequest(job: Job, prompt: string): Promise<Sent> {
    expect(job).toMatchObject({ status: 'completed', error: null });
    const sent = tap.sent(prompt);
    expect(sent).toHaveLength(1);
    return sent[0] as Sent;
  }

  test.concurrent('a file, a link and data URLs in one edit reach the upstream as they are, in order', async () => {
    const prompt = `mixed on ${kind}`;
    const [first, second] = [png(64), png(80, { height: 40 })];
    const image_url = `${web.put('/mixed.png', second)}?token=${URL_SECRET}#${URL_SECRET}`;
    const images = [
      { file_id: await uploadVision(stack, first) },
      { image_url },
      { image_url: dataUrl(JPEG, 'image/jpeg') },
      { image_url: dataUrl(WEBP, 'image/webp') },
      { image_url: dataUrl(large) },
    ];
    const webhook = { url: hooks.url, events: ['job.completed', 'image.completed'] };
    const job = await runWith(stack, editOf({ prompt, images, n: 2 }, { webhook }));
    const sent = await soleRequest(job, prompt);
    await expectImagesToBeWhole(stack, job);
    expect([sent.path, sent.kind, sent.fields]).toMatchObject([
      '/images/edits',
      'form',
      { model: 'gpt-image-2', n: '2' },
    ]);
    expect(picturesIn(sent)).toEqual([
      pictureOf(first),
      pictureOf(second),
      pictureOf(JPEG, 'image/jpeg'),
      pictureOf(WEBP, 'image/webp'),
      pictureOf(large),
    ]);
    expect(new Set(sent.images.map(({ name }) => name))).toEqual(new Set(['image[]']));
    expect(job.images).toHaveLength(2);
    expect(imagesOf(job)).toEqual([
      { ...images[0], ...refOf(first, 64, 64) },
      { image_url: web.url('/mixed.png'), ...refOf(second, 80, 40) },
      refOf(JPEG, 40, 40, 'image/jpeg'),
      refOf(WEBP, 40, 40, 'image/webp'),
      refOf(large, 400, 400),
    ]);
    expect(web.asked('/mixed.png')).toBe(1);
    const heard = await until('both kinds of webhooks are here', async () => {
      const events = [...(await hooks.events()).values()].filter(({ data }) => JSON.stringify(data).includes(job.id));
      return events.length === 3 && events;
    });
    for (const { data } of heard) expect(data).not.toHaveProperty('input');
    expect(JSON.stringify(heard)).not.toContain(sha256Of(first));
  });

  test.concurrent('sixteen images and a mask go out in one call, whoever makes them', async () => {
    const prompt = `sixteen on ${kind}`;
    const pictures = Array.from({ length: 16 }, () => png(32));
    const mask = png(32, { alpha: 'hole' });
    const images = pictures.map((bytes) => ({ image_url: dataUrl(bytes) }));
    const job = await runWith(stack, editOf({ prompt, images, mask: { image_url: dataUrl(mask) } }));
    const sent = await soleRequest(job, prompt);
    expect(picturesIn(sent)).toEqual([...pictures, mask].map((bytes) => pictureOf(bytes)));
    expect(sent.images.at(-1)?.name).toBe('mask');
    expect(job.input['mask']).toEqual(refOf(mask, 32, 32));
    // What came in is what was weighed: the upstream counts input tokens of all of them.
    expect(job.usage.input_tokens).toBeGreaterThan(1_000);
  });

  test.concurrent('four edits of dall-e-2 at 512 px are one call, masked by the image’s own transparency', async () => {
    const prompt = `dall-e-2 on ${kind}`;
    const image = png(64, { alpha: 'hole' });
    const input = { model: 'dall-e-2', size: '512x512', quality: null, n: 4, prompt };
    const job = await runWith(stack, editOf({ ...input, images: [{ image_url: dataUrl(image) }] }));
    const sent = await soleRequest(job, prompt);
    expect(job).toMatchObject({ model: 'gpt-image-2.6-flare', requested_model: 'dall-e-2', operation: 'edit' });
    expect(sent.fields).toMatchObject({ model: 'gpt-image-2.6-flare', n: '4' });
    expect(sent.fields).not.toHaveProperty('response_format');
    const [sentImage, mask] = sent.images;
    expect([sentImage?.sha256, mask?.name, mask?.type]).toEqual([sha256Of(image), 'mask', 'image/png']);
    expect(sizeOfPng(mask?.bytes ?? Buffer.alloc(24))).toEqual([64, 64]);
    expect(job.warnings.join('\n')).toContain('dall-e-2');
    expect(job.images.map(({ width, height }) => [width, height])).toEqual(Array.from({ length: 4 }, () => [512, 512]));
    const keys = await storedKeys(stack.directory, s3, `images/default/${job.id}/`);
    expect(keys.filter((key) => key.includes('.original.') && !key.endsWith('.json'))).toHaveLength(4);
  });

  test.concurrent('moderation on an edit makes it a JSON body, with the same bytes', async () => {
    const prompt = `moderation on ${kind}`;
    const [image, mask] = [png(64), png(64, { alpha: 'hole' })];
    const images = [{ image_url: dataUrl(image) }, { image_url: dataUrl(JPEG, 'image/jpeg') }];
    const input = { prompt, images, mask: { image_url: dataUrl(mask) }, moderation: 'low', n: 2 };
    const job = await runWith(stack, editOf(input));
    const sent = await soleRequest(job, prompt);
    expect(sent).toMatchObject({ path: '/images/edits', kind: 'json', fields: { moderation: 'low', n: 2 } });
    expect(picturesIn(sent)).toEqual([pictureOf(image), pictureOf(JPEG, 'image/jpeg'), pictureOf(mask)]);
    expect(sent.images.map(({ name }) => name)).toEqual(['images[0]', 'images[1]', 'mask']);
  });

  test.concurrent('a failed edit is retried without its images being sent again', async () => {
    const prompt = `retried on ${kind}`;
    const model = 'gpt-image-2.5-flare';
    await stack.simulator.fault('moderation_input', { model, count: 1 });
    const image = png(72);
    const url = web.put('/retried.png', image);
    const job = await runWith(stack, editOf({ model, prompt, images: [{ image_url: url }] }));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'moderation_blocked' } });
    web.remove('/retried.png');
    await stack.api.retry(job.id);
    expect(await stack.api.ended(job.id)).toMatchObject({ status: 'completed', run: 2 });
    expect(tap.sent(prompt).map(picturesIn)).toEqual([[pictureOf(image)], [pictureOf(image)]]);
    expect(web.asked('/retried.png')).toBe(1);
  });

  test.concurrent('a data URL of many megabytes is taken', async () => {
    const prompt = `heavy on ${kind}`;
    const image = png(2_200, { isNoise: true });
    const job = await runWith(stack, editOf({ prompt, images: [{ image_url: dataUrl(image) }] }));
    expect(picturesIn(await soleRequest(job, prompt))).toEqual([pictureOf(image)]);
  });

  describe.runIf(kind === 'disk')('wherever they lie', () => {
    test.concurrent('a mask the caller sends wins over the image’s transparency', async () => {
      const prompt = `own mask on ${kind}`;
      const [image, mask] = [png(48, { alpha: 'hole' }), png(48, { alpha: 'hole' })];
      const images = [{ file_id: await uploadVision(stack, image) }];
      const input = {
        model: 'dall-e-2',
        quality: null,
        prompt,
        images,
        mask: { file_id: await uploadVision(stack, mask) },
      };
      const sent = await soleRequest(await runWith(stack, editOf(input)), prompt);
      expect(picturesIn(sent)).toEqual([pictureOf(image), pictureOf(mask)]);
    });

    test.concurrent('an image without a transparent pixel is sent without a mask', async () => {
      const prompt = `opaque on ${kind}`;
      const image = png(48, { alpha: 'opaque' });
      const input = { model: 'dall-e-2', quality: null, prompt, images: [{ image_url: dataUrl(image) }] };
      const sent = await soleRequest(await runWith(stack, editOf(input)), prompt);
      expect(picturesIn(sent)).toEqual([pictureOf(image)]);
    });

    test.concurrent('a variation becomes an edit with a prompt', async () => {
      const image = png(56);
      const job = await runWith(stack, variationOf({ images: [{ image_url: dataUrl(image) }], n: 3, size: '256x256' }));
      const sent = await soleRequest(
        job,
        'Create a variation of this image. Keep the subject, composition and style; vary the details.',
      );
      expect(sent).toMatchObject({ path: '/images/edits', fields: { model: 'gpt-image-2.6-flare', n: '3' } });
      expect(picturesIn(sent)).toEqual([pictureOf(image)]);
      expect(job).toMatchObject({ operation: 'variation', requested_model: 'dall-e-2', model: 'gpt-image-2.6-flare' });
      expect(job.input).not.toHaveProperty('prompt');
      expect(job.warnings.join('\n')).toMatch(/edit/i);
      expect(job.images.map(({ width }) => width)).toEqual([256, 256, 256]);
    });

    test.concurrent('dall-e-3, which never could, edits by its replacement, an image a call', async () => {
      const prompt = `dall-e-3 on ${kind}`;
      const image = png(64, { height: 48 });
      const input = { model: 'dall-e-3', quality: 'standard', n: 3, prompt };
      const job = await runWith(stack, editOf({ ...input, images: [{ image_url: dataUrl(image) }] }));
      expect(job).toMatchObject({ status: 'completed', requested_model: 'dall-e-3', model: 'gpt-image-2.6-flare' });
      expect(job.images).toHaveLength(3);
      const sent = tap.sent(prompt);
      expect(sent.map(({ path, fields }) => [path, fields['n']])).toEqual([1, 2, 3].map(() => ['/images/edits', '1']));
      for (const one of sent) expect(picturesIn(one)).toEqual([pictureOf(image)]);
    });

    test.concurrent('input_fidelity is refused where the model has none, and dropped in a translation', async () => {
      const images = [{ image_url: dataUrl(JPEG, 'image/jpeg') }];
      const refused = await stack.api.request('POST', '/v1/jobs', {
        body: editOf({ prompt: 'never sent', images, input_fidelity: 'high' }),
      });
      expect([refused.status, errorOf(refused).param]).toEqual([400, 'input.input_fidelity']);
      const prompt = `fidelity on ${kind}`;
      const job = await runWith(stack, editOf({ model: 'gpt-image-1', prompt, images, input_fidelity: 'high' }));
      const sent = await soleRequest(job, prompt);
      expect(sent.fields).not.toHaveProperty('input_fidelity');
      expect(job.warnings.join('\n')).toContain('input_fidelity');
      expect(job.requested_model).toBe('gpt-image-1');
    });

    test.concurrent('a repeated Idempotency-Key finds its job although link and file are gone by now', async () => {
      const prompt = `replayed on ${kind}`;
      const file_id = await uploadVision(stack, png(64));
      const images = [{ image_url: web.put('/replayed.png', png(64)) }, { file_id }];
      const ask = (body: unknown): ReturnType<TestStack['api']['request']> =>
        stack.api.request('POST', '/v1/jobs', { body, headers: { 'idempotency-key': `replayed-${kind}` } });
      const first = await ask(editOf({ prompt, images }));
      web.remove('/replayed.png');
      await stack.openai.files.delete(file_id);
      const again = await ask(editOf({ prompt, images }));
      expect([first.status, again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 202, 'true']);
      expect((again.json as Job).id).toBe((first.json as Job).id);
      const other = await ask(editOf({ prompt, images: [{ image_url: dataUrl(png(64)) }] }));
      expect([other.status, errorOf(other).code]).toEqual([422, 'idempotency_key_reuse']);
      await soleRequest(await stack.api.ended((first.json as Job).id), prompt);
    });

    test.concurrent('an image is sent as what its bytes are, not as what it was called', async () => {
      const prompt = `misnamed on ${kind}`;
      const [image, misnamed] = [png(64), png(64)];
      const images = [
        { image_url: dataUrl(image, 'image/jpeg') },
        { image_url: web.put('/misnamed.jpg', misnamed, 'text/html') },
      ];
      const sent = await soleRequest(await runWith(stack, editOf({ prompt, images })), prompt);
      expect(picturesIn(sent)).toEqual([pictureOf(image), pictureOf(misnamed)]);
    });
  });

  test('no bytes, data URL or query of a link was ever in Redis, in a log, in a job or beside an image', async () => {
    const inputs = await storedKeys(stack.directory, s3, 'inputs/');
    expect(inputs).toContain(`inputs/default/${sha256Of(large)}`);
    const values = await redisValues(stack.redis);
    expect(values.length).toBeGreaterThan(0);
    expect(values.filter(({ value }) => value.length > LARGEST_VALUE).map(({ key }) => key)).toEqual([]);
    const history = redisHistory(stack.directory);
    expect(history.length).toBeGreaterThan(10_000);
    const middle = large.subarray(30_000, 30_300);
    const jobs = JSON.stringify(await stack.api.list('?limit=100'));
    const texts = [history, Buffer.from(stack.lines.join('\n')), Buffer.from(jobs), ...provenances(stack.directory)];
    for (const text of texts) {
      expect(text.includes(middle.toString('base64').slice(4, 60))).toBe(false);
      expect(text.includes(middle.subarray(0, 40))).toBe(false);
      expect(text.includes('base64,')).toBe(false);
      expect(text.includes(URL_SECRET)).toBe(false);
    }
  });
});

describe('with a provider that still serves the retired models', () => {
  let [stack, tap]: [TestStack, Wiretap] = [] as never;
  beforeAll(async () => {
    tap = await startWiretap();
    stack = await startTestStack({
      simulatorArgs: ['--reality', 'everything'],
      env: { MODEL_POLICY: 'passthrough', OPENAI_BASE_URL: tap.baseUrl, ALLOW_PRIVATE_URLS: '127.0.0.1' },
    });
    tap.passOnTo(stack.simulator.url);
  });
  afterAll(async () => {
    try {
      await stack.stop();
    } finally {
      await tap.stop();
    }
  });

  test.concurrent('a variation goes to the variations route, one call for all its images', async () => {
    const image = png(64, { alpha: 'opaque' });
    const job = await runWith(stack, variationOf({ images: [{ image_url: dataUrl(image) }], n: 5, size: '256x256' }));
    expect(job).toMatchObject({ status: 'completed', operation: 'variation', model: 'dall-e-2', error: null });
    expect(job.images.map(({ width }) => width)).toEqual([256, 256, 256, 256, 256]);
    const { requests } = await stack.simulator.ledger();
    const own = requests.filter(({ operation }) => operation === 'variation');
    expect(own.map(({ model, n, status }) => [model, n, status])).toEqual([['dall-e-2', 5, 200]]);
    await expectImagesToBeWhole(stack, job);
  });

  test.concurrent('an edit of dall-e-2 goes to dall-e-2, without a mask of ours', async () => {
    const prompt = 'dall-e-2 itself';
    const image = png(64, { alpha: 'hole' });
    const input = { model: 'dall-e-2', quality: null, size: '512x512', prompt, n: 2 };
    const job = await runWith(stack, editOf({ ...input, images: [{ image_url: dataUrl(image) }] }));
    expect(job).toMatchObject({ status: 'completed', model: 'dall-e-2', error: null });
    expect((await requestsOf(stack, prompt)).map(({ n }) => n)).toEqual([2]);
    expect(tap.sent(prompt).map(picturesIn)).toEqual([[pictureOf(image)]]);
    await expectImagesToBeWhole(stack, job);
  });

  test.concurrent('what dall-e-2 takes is checked by its own rules, before anything is sent', async () => {
    const cases: readonly (readonly [Record<string, unknown>, string])[] = [
      [{ images: [{ image_url: dataUrl(png(64, { height: 32, alpha: 'hole' })) }] }, 'input.images[0]'],
      [{ images: [{ image_url: dataUrl(JPEG, 'image/jpeg') }] }, 'input.images[0]'],
      [{ images: [1, 2].map(() => ({ image_url: dataUrl(png(32, { alpha: 'hole' })) })) }, 'input.images'],
      [{ images: [{ image_url: dataUrl(png(1_100, { alpha: 'hole', isNoise: true })) }] }, 'input.images[0]'],
    ];
    for (const [input, param] of cases) {
      const body = editOf({ model: 'dall-e-2', quality: null, prompt: 'never sent', ...input });
      const reply = await stack.api.request('POST', '/v1/jobs', { body });
      expect([reply.status, errorOf(reply).type]).toEqual([400, expect.stringMatching(/_error$/)]);
      expect(errorOf(reply).param?.startsWith(param)).toBe(true);
    }
    expect(tap.sent('never sent')).toEqual([]);
  });

  test('dall-e-3 is not given an edit it never had', async () => {
    const body = editOf({ model: 'dall-e-3', quality: 'hd', prompt: 'no', images: [{ image_url: dataUrl(png(64)) }] });
    const reply = await stack.api.request('POST', '/v1/jobs', { body });
    expect(reply.status).toBe(400);
    await expect(submitWith(stack, body)).rejects.toThrow('400');
  });
});

function refOf(bytes: Buffer, width: number, height: number, content_type = 'image/png'): Record<string, unknown> {
  return { sha256: sha256Of(bytes), content_type, bytes: bytes.length, width, height };
}

/** What is kept beside images on disk of how they came to be; none on S3. */
function provenances(directory: string): Buffer[] {
  const folder = join(directory, 'images');
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}

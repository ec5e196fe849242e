// What OpenAI's SDK throws when Darkroom refuses, and when a job ends without an image: the class, the code, the param,
// and how often the SDK and the workers try. An outcome is never bought again by the SDK's own retries.
import OpenAI, { APIError, toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { booksOfJob, booksOfPrompt } from '../support/books.ts';
import { countingClient } from '../support/counting-client.ts';
import { dataUrl, GIF, JPEG, png, SVG, WEBP } from '../support/pictures.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { thrownBy } from '../support/thrown-by.ts';

type Fields = Readonly<Record<string, unknown>>;
type ErrorClass = new (...args: never[]) => APIError;

const KEY = 'dk_alice0123456789abcdef';
let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ env: { AUTH: 'keys', API_KEYS: `alice:${KEY}`, MAX_ATTEMPTS: '2' } }, KEY);
});
afterAll(() => stack.stop());

const client = () => countingClient(stack.api.url, { apiKey: KEY });
const file = (bytes: Buffer, type = 'image/png') => toFile(bytes, 'a.png', { type });

const generate = (openai: OpenAI, fields: Fields) =>
  openai.images.generate({ model: 'gpt-image-2', quality: 'low', ...fields } as OpenAI.Images.ImageGenerateParams);
const edit = (openai: OpenAI, fields: Fields) =>
  openai.images.edit({ model: 'gpt-image-2', quality: 'low', ...fields } as unknown as OpenAI.Images.ImageEditParams);

describe.concurrent('a generation is refused before anything is bought:', () => {
  const rows: readonly { says: string; fields: Fields; code: string; param: string }[] = [
    { says: 'a misspelt field', fields: { sizee: '1024x1024' }, code: 'unknown_parameter', param: 'sizee' },
    { says: 'a size no model makes', fields: { size: '1000x1000' }, code: 'invalid_value', param: 'size' },
    { says: 'a quality of nowhere', fields: { quality: 'superb' }, code: 'invalid_value', param: 'quality' },
    { says: 'eleven images', fields: { n: 11 }, code: 'integer_above_max_value', param: 'n' },
    { says: 'no images', fields: { n: 0 }, code: 'integer_below_min_value', param: 'n' },
    { says: 'a number as text', fields: { n: '2' }, code: 'invalid_type', param: 'n' },
    { says: 'no prompt', fields: { prompt: undefined }, code: 'missing_required_parameter', param: 'prompt' },
    {
      says: 'a prompt past all limits',
      fields: { prompt: 'x'.repeat(32_001) },
      code: 'string_above_max_length',
      param: 'prompt',
    },
    { says: 'an unknown model', fields: { model: 'gpt-imagine-2' }, code: 'model_not_found', param: 'model' },
    {
      says: 'a compression of a PNG',
      fields: { output_format: 'png', output_compression: 40 },
      code: 'invalid_value',
      param: 'output_compression',
    },
    {
      says: 'a forbidden webhook',
      fields: { webhook: { url: 'http://localhost/x' } },
      code: 'invalid_value',
      param: 'webhook.url',
    },
  ];
  test.each(rows)('$says', async ({ says, fields, code, param }) => {
    const { openai, sent } = client();
    const prompt = `refused: ${says}`;
    const error = await thrownBy(generate(openai, { prompt, ...fields }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code, param });
    expect(error.type).toBe('invalid_request_error');
    expect(error.requestID).toBeTruthy();
    expect(error.headers?.get('x-darkroom-job-id')).toBeNull();
    expect(sent).toEqual(['0']);
    expect((await booksOfPrompt(stack, prompt)).requests).toEqual([]);
  });

  test('a stream, which is not built', async () => {
    const error = await thrownBy(generate(client().openai, { prompt: 'flowing', stream: true }));
    expect(error).toMatchObject({ status: 400, param: 'stream' });
  });

  test('several problems are told together', async () => {
    const fields = { prompt: 'all wrong', n: 11, size: '1000x1000', colour: 'red' };
    const error = await thrownBy(generate(client().openai, fields));
    const { details } = error.error as { details: { param: string }[] };
    expect(details.map(({ param }) => param).toSorted()).toEqual(['colour', 'n', 'size']);
    expect(details[0]).toMatchObject({ param: error.param, code: error.code });
  });
});

describe.concurrent('an edit is refused before anything is bought:', () => {
  const good = png(64);
  const hole = png(64, { alpha: 'hole' });
  const rows: readonly { says: string; fields: () => Promise<Fields>; code: string | RegExp; param: string }[] = [
    {
      says: 'a GIF',
      fields: async () => ({ image: await file(GIF, 'image/gif') }),
      code: 'unsupported_file_mimetype',
      param: 'image',
    },
    {
      says: 'an SVG among PNGs, called a PNG',
      fields: async () => ({ image: [await file(good), await file(SVG)] }),
      code: /^(unsupported_file_mimetype|invalid_image_file)$/,
      param: 'image[1]',
    },
    {
      says: 'text called a PNG',
      fields: async () => ({ image: await file(Buffer.from('hello')) }),
      code: /^(unsupported_file_mimetype|invalid_image_file)$/,
      param: 'image',
    },
    {
      says: 'no bytes',
      fields: async () => ({ image: await file(Buffer.alloc(0)) }),
      code: /^(unsupported_file_mimetype|invalid_image_file)$/,
      param: 'image',
    },
    ...[
      ['PNG', good],
      ['JPEG', JPEG],
      ['WebP', WEBP],
    ].map(([name, bytes]) => ({
      says: `half a ${name as string}`,
      fields: async () => ({ image: await file((bytes as Buffer).subarray(0, (bytes as Buffer).length >> 1)) }),
      code: 'invalid_image_file',
      param: 'image',
    })),
    {
      says: 'a mask of another size',
      fields: async () => ({ image: await file(good), mask: await file(png(32, { alpha: 'hole' })) }),
      code: 'invalid_mask_image_format',
      param: 'mask',
    },
    {
      says: 'a mask without transparency',
      fields: async () => ({ image: await file(good), mask: await file(good) }),
      code: 'invalid_mask_image_format',
      param: 'mask',
    },
    {
      says: 'a mask that is no PNG',
      fields: async () => ({ image: await file(JPEG, 'image/jpeg'), mask: await file(JPEG, 'image/jpeg') }),
      code: /^(unsupported_file_mimetype|invalid_mask_image_format)$/,
      param: 'mask',
    },
    {
      says: 'a mask above 4 MB',
      fields: async () => ({
        image: await file(png(1_100)),
        mask: await file(png(1_100, { alpha: 'hole', isNoise: true })),
      }),
      code: 'file_too_large',
      param: 'mask',
    },
    {
      says: 'no image',
      fields: async () => ({ mask: await file(hole) }),
      code: 'missing_required_parameter',
      param: 'image',
    },
    {
      says: 'seventeen images',
      fields: async () => ({ image: await Promise.all(Array.from({ length: 17 }, () => file(good))) }),
      code: 'array_above_max_length',
      param: 'image',
    },
    {
      says: 'a misspelt field',
      fields: async () => ({ image: await file(good), promt: 'x' }),
      code: 'unknown_parameter',
      param: 'promt',
    },
    {
      says: 'half a number',
      fields: async () => ({ image: await file(good), n: 1.5 }),
      code: 'invalid_type',
      param: 'n',
    },
  ];
  test.each(rows)('$says', async ({ says, fields, code, param }) => {
    const { openai, sent } = client();
    const prompt = `refused edit: ${says}`;
    const error = await thrownBy(edit(openai, { prompt, ...(await fields()) }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: expect.stringMatching(code) as string, param });
    expect(error.requestID).toBeTruthy();
    expect(sent).toEqual(['0']);
    expect((await booksOfPrompt(stack, prompt)).requests).toEqual([]);
  });

  const references: readonly { says: string; image: Fields; code: string }[] = [
    { says: 'a file nobody has', image: { file_id: `file-${'0'.repeat(26)}` }, code: 'file_not_found' },
    { says: 'an address of this machine', image: { image_url: 'http://127.0.0.1:9/a.png' }, code: 'invalid_image_url' },
  ];
  test.each(references)('$says, by reference', async ({ says, image, code }) => {
    const { openai } = client();
    const body = { model: 'gpt-image-2', prompt: says, images: [{ image_url: dataUrl(good) }, image] };
    const error = await thrownBy(openai.post('/images/edits', { body }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ code, param: expect.stringContaining('images[1]') as string });
  });
});

describe.concurrent('beside the request itself,', () => {
  test('a wrong key is an AuthenticationError, for JSON and forms alike', async () => {
    const { openai, sent } = countingClient(stack.api.url, { apiKey: 'dk_wrong0123456789abcdef' });
    const image = await file(png(8));
    for (const call of [() => generate(openai, { prompt: 'x' }), () => edit(openai, { prompt: 'x', image })]) {
      const error = await thrownBy(call());
      expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
      expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
    }
    expect(sent).toEqual(['0', '0']);
  });

  test('what is not there is a NotFoundError', async () => {
    const { openai } = client();
    const noFile = `file-${'0'.repeat(26)}`;
    for (const call of [() => openai.models.retrieve('gpt-imagine-2'), () => openai.files.retrieve(noFile)]) {
      const error = await thrownBy(call());
      expect(error).toBeInstanceOf(OpenAI.NotFoundError);
      expect(error.requestID).toBeTruthy();
    }
  });

  test('an idempotency key used for something else is an UnprocessableEntityError', async () => {
    const { openai, sent } = client();
    const headers = { 'Idempotency-Key': 'one-key-for-two' };
    const body = { model: 'gpt-image-2' as const, quality: 'low' as const };
    await openai.images.generate({ ...body, prompt: 'the first' }, { headers });
    const error = await thrownBy(openai.images.generate({ ...body, prompt: 'the second' }, { headers }));
    expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
    expect(error).toMatchObject({ status: 422, code: 'idempotency_key_reuse' });
    expect(sent).toEqual(['0', '0']);
    expect((await booksOfPrompt(stack, 'the second')).requests).toEqual([]);
  });
});

describe.concurrent('an outcome of the job is told once and never tried again by the SDK:', () => {
  interface Row {
    readonly kind: string;
    readonly model: string;
    readonly operation: 'generation' | 'edit';
    /** null: any. */
    readonly errorClass: ErrorClass;
    readonly status?: number;
    readonly code?: string;
    /** Calls the workers make, and images they pay for. */
    readonly calls: number;
    readonly billed?: number;
  }
  // A fault is set for one model and one operation, so that rows don't meet each other's.
  const rows: readonly Row[] = [
    {
      kind: 'moderation_input',
      model: 'gpt-image-2.6-flare',
      operation: 'generation',
      errorClass: OpenAI.BadRequestError,
      status: 400,
      code: 'moderation_blocked',
      calls: 1,
    },
    {
      kind: 'moderation_output',
      model: 'gpt-image-2.6-flare',
      operation: 'edit',
      errorClass: OpenAI.BadRequestError,
      status: 400,
      code: 'moderation_blocked',
      calls: 2,
      billed: 2,
    },
    {
      kind: 'org_unverified',
      model: 'gpt-image-2.6-sunburst',
      operation: 'generation',
      errorClass: OpenAI.PermissionDeniedError,
      status: 403,
      calls: 1,
    },
    {
      kind: 'model_not_found_404',
      model: 'gpt-image-2.6-sunburst',
      operation: 'edit',
      errorClass: OpenAI.NotFoundError,
      status: 404,
      code: 'model_not_found',
      calls: 1,
    },
    {
      kind: 'server_error',
      model: 'gpt-image-2.5-flare',
      operation: 'generation',
      errorClass: OpenAI.InternalServerError,
      status: 500,
      code: 'server_error',
      calls: 2,
    },
    {
      kind: 'rate_limit_zero',
      model: 'gpt-image-2.5-flare',
      operation: 'edit',
      errorClass: OpenAI.RateLimitError,
      status: 429,
      code: 'rate_limit_exceeded',
      calls: 1,
    },
    {
      kind: 'overloaded',
      model: 'gpt-image-2.5-sunburst',
      operation: 'generation',
      errorClass: OpenAI.InternalServerError,
      status: 503,
      code: 'server_is_overloaded',
      calls: 2,
    },
    {
      kind: 'gateway_timeout_504',
      model: 'gpt-image-2.5-sunburst',
      operation: 'edit',
      errorClass: OpenAI.InternalServerError,
      calls: 2,
    },
    { kind: 'conflict_409', model: 'gpt-image-2', operation: 'edit', errorClass: APIError, calls: 2 },
  ];
  test.each(rows)('$kind of a(n) $operation', async ({ kind, model, operation, ...row }) => {
    const { openai, sent } = client();
    const prompt = `an outcome: ${kind}`;
    await stack.simulator.fault(kind, { model, operation });
    const fields = { model, prompt };
    const error = await thrownBy(
      operation === 'edit' ? edit(openai, { ...fields, image: await file(png(64)) }) : generate(openai, fields),
    );
    expect(error).toBeInstanceOf(row.errorClass);
    if (row.status !== undefined) expect(error.status).toBe(row.status);
    if (row.code !== undefined) expect(error.code).toBe(row.code);
    expect(error.error).toMatchObject({ message: expect.any(String), type: expect.any(String) });
    expect(error.requestID).toBeTruthy();
    expect(error.headers?.get('x-should-retry')).toBe('false');
    expect(sent).toEqual(['0']);
    const id = error.headers?.get('x-darkroom-job-id') ?? '';
    const { requests, images } = await booksOfJob(stack, id);
    expect([requests.length, images.length]).toEqual([row.calls, row.billed ?? 0]);
    const job = await stack.api.job(id);
    expect(job).toMatchObject({ status: 'failed', operation, error: { code: error.code } });
  });
});

describe('a job of several images', () => {
  const four = { model: 'dall-e-3', quality: 'hd', size: '1024x1024', n: 4 } as const;

  test('that has some gives those, in order, and says that it is incomplete', async () => {
    await stack.reset();
    await stack.simulator.fault('moderation_input', { count: 2 });
    const { openai, sent } = client();
    const { data, response } = await openai.images.generate({ ...four, prompt: 'some of four' }).withResponse();
    const id = response.headers.get('x-darkroom-job-id') ?? '';
    const job = await stack.api.job(id);
    expect([response.status, response.headers.get('x-darkroom-status'), job.status]).toEqual([
      200,
      'incomplete',
      'incomplete',
    ]);
    expect(job.images).toHaveLength(2);
    const shown = data.data?.map(({ url }) => /img_[0-9a-z_]+/.exec(url ?? '')?.[0]);
    expect(shown).toEqual(job.images.map((image) => image.id));
    const { costUsd } = await booksOfJob(stack, id);
    expect(Number(response.headers.get('x-darkroom-cost-usd'))).toBeCloseTo(costUsd, 6);
    expect(sent).toEqual(['0']);
  });

  test('that has none gives the first error', async () => {
    await stack.reset();
    await stack.simulator.fault('moderation_input');
    const { openai, sent } = client();
    const error = await thrownBy(openai.images.generate({ ...four, prompt: 'none of four' }));
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error.code).toBe('moderation_blocked');
    const details = (error.error as { moderation_details?: object }).moderation_details;
    expect(details).toEqual({ moderation_stage: 'input', categories: [expect.any(String)] });
    expect(sent).toEqual(['0']);
    const job = await stack.api.job(error.headers?.get('x-darkroom-job-id') ?? '');
    expect(job.errors).toHaveLength(4);
  });
});

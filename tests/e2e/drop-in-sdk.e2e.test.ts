// Code written for OpenAI's Images API, with nothing changed but the base URL: generations, models, headers, and which
// of `url` and `b64_json` a reply carries. The pictures are decoded, the upstream's books and the wire are looked at.
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { booksOfJob } from '../support/books.ts';
import { countingClient } from '../support/counting-client.ts';
import { picturesOf } from '../support/decode.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { startWiretap, type Wiretap } from '../support/wiretap.ts';

type Generate = OpenAI.Images.ImageGenerateParamsNonStreaming;

let stack: TestStack;
let wiretap: Wiretap;
let openai: OpenAI;

beforeAll(async () => {
  wiretap = await startWiretap();
  stack = await startTestStack({ env: { OPENAI_BASE_URL: wiretap.baseUrl } });
  wiretap.passOnTo(stack.simulator.url);
  openai = countingClient(stack.api.url).openai;
});
afterAll(async () => {
  await stack.stop();
  await wiretap.stop();
});

/** The reply, and the job behind it with what the upstream did for it. */
async function generate(params: Generate) {
  const { data: reply, response, request_id } = await openai.images.generate(params).withResponse();
  const { headers } = response;
  const jobId = headers.get('x-darkroom-job-id') ?? '';
  return { reply, headers, requestId: request_id, jobId, books: await booksOfJob(stack, jobId) };
}

const idsOf = (pictures: readonly { id: string | null }[]): string[] => pictures.map(({ id }) => id ?? '').toSorted();

describe.concurrent('images.generate', () => {
  test('of dall-e-3 in hd, wide, four at once: links to four pictures, bought one by one from its replacement', async () => {
    const prompt = 'four wide cats in hd';
    const { reply, books } = await generate({
      model: 'dall-e-3',
      prompt,
      n: 4,
      size: '1792x1024',
      quality: 'hd',
      style: 'vivid',
    });
    expect(Math.abs(reply.created - Date.now() / 1_000)).toBeLessThan(60);
    expect(reply.data).toHaveLength(4);
    for (const image of reply.data ?? []) {
      expect(image.url).toMatch(/^http/);
      expect(image.b64_json).toBeUndefined();
    }
    const pictures = await picturesOf(reply.data);
    expect(pictures.map(({ format, width, height }) => [format, width, height])).toEqual(
      Array.from({ length: 4 }, () => ['png', 1792, 1024]),
    );
    expect(idsOf(pictures)).toEqual(books.images.map(({ id }) => id).toSorted());
    expect(books.requests.map(({ n, model }) => [n, model])).toEqual(
      Array.from({ length: 4 }, () => [1, 'gpt-image-2.6-sunburst']),
    );
    for (const { fields } of wiretap.sent(prompt)) {
      expect(fields).toMatchObject({ size: '1792x1024', quality: 'high' });
      expect(fields).not.toHaveProperty('style');
      expect(fields).not.toHaveProperty('response_format');
    }
  });

  test('of dall-e-3 as b64_json: the pictures stand in the reply', async () => {
    const { reply, books } = await generate({
      model: 'dall-e-3',
      prompt: 'two tall cats in the reply',
      n: 2,
      size: '1024x1792',
      response_format: 'b64_json',
    });
    const pictures = await picturesOf(reply.data);
    expect(pictures).toMatchObject([
      { format: 'png', width: 1024, height: 1792 },
      { format: 'png', width: 1024, height: 1792 },
    ]);
    expect(reply.data?.map(({ url }) => url)).toEqual([undefined, undefined]);
    expect(idsOf(pictures)).toEqual(books.images.map(({ id }) => id).toSorted());
  });

  test.each(['256x256', '512x512'] as const)(
    'of dall-e-2 in %s: bought larger, delivered in that size',
    async (size) => {
      const prompt = `a small cat of ${size}`;
      const { reply, books } = await generate({ model: 'dall-e-2', prompt, size, n: 2 });
      const edge = Number.parseInt(size, 10);
      expect(await picturesOf(reply.data)).toMatchObject([
        { format: 'png', width: edge, height: edge },
        { format: 'png', width: edge, height: edge },
      ]);
      expect(books.requests.map(({ n }) => n)).toEqual([2]);
      expect(wiretap.sent(prompt).map(({ fields }) => fields['size'])).toEqual(['1024x1024']);
    },
  );

  test('of a GPT image model: b64_json, with usage and what `auto` became', async () => {
    const { reply, books } = await generate({
      model: 'gpt-image-2.6-flare',
      prompt: 'a cat of today',
      size: '1536x1024',
      quality: 'low',
      n: 2,
    });
    expect(await picturesOf(reply.data)).toMatchObject([
      { format: 'png', width: 1536, height: 1024 },
      { format: 'png', width: 1536, height: 1024 },
    ]);
    expect(books.requests.map(({ n, model }) => [n, model])).toEqual([[2, 'gpt-image-2.6-flare']]);
    expect(reply).toMatchObject({ size: '1536x1024', quality: 'low', output_format: 'png', background: 'opaque' });
    const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: total } = reply.usage ?? {};
    expect([input > 0, output > 0, total]).toEqual([true, true, input + output]);
    expect(reply.usage?.input_tokens_details).toEqual({ text_tokens: input, image_tokens: 0 });
  });

  test.each(['jpeg', 'webp'] as const)('in the format asked for: %s', async (format) => {
    const { reply } = await generate({
      model: 'gpt-image-2',
      prompt: `a cat as ${format}`,
      size: '1024x1024',
      quality: 'low',
      output_format: format,
      output_compression: 40,
    });
    expect(await picturesOf(reply.data)).toMatchObject([{ format, width: 1024, height: 1024 }]);
    expect(reply.output_format).toBe(format);
  });

  test('without a model: the default one', async () => {
    const { reply, headers, jobId, books } = await generate({ prompt: 'a cat of any model', quality: 'low' });
    expect(await picturesOf(reply.data)).toMatchObject([{ format: 'png', id: books.images[0]?.id }]);
    expect(books.requests.map(({ model }) => model)).toEqual(['gpt-image-2.6-flare']);
    expect(headers.get('x-darkroom-model')).toBe('gpt-image-2.6-flare');
    expect(await stack.api.job(jobId)).toMatchObject({ model: 'gpt-image-2.6-flare', requested_model: null });
  });

  test('without a model, in a size of DALL·E’s days: delivered in that size', async () => {
    const { reply, books } = await generate({ prompt: 'a small cat of any model', size: '256x256' });
    expect(await picturesOf(reply.data)).toMatchObject([{ format: 'png', width: 256, height: 256 }]);
    expect(books.requests.map(({ model }) => model)).toEqual(['gpt-image-2.6-flare']);
  });

  test('with Darkroom’s own fields beside OpenAI’s: the job has them, the upstream never sees them', async () => {
    const prompt = 'a cat with an order number';
    const fields = { metadata: { order: '42' }, priority: 'low', expires_after: 600 };
    const params = { model: 'gpt-image-2', prompt, quality: 'low', ...fields } as Generate;
    const { jobId } = await generate(params);
    const job = await stack.api.job(jobId);
    expect(job).toMatchObject({ metadata: { order: '42' }, priority: 'low' });
    expect(job.expires_at - job.created_at).toBe(600);
    const [sent] = wiretap.sent(prompt);
    for (const name of Object.keys(fields)) expect(sent?.fields).not.toHaveProperty(name);
  });
});

describe.concurrent('response_format', () => {
  const models = ['dall-e-2', 'dall-e-3', 'gpt-image-2', 'gpt-image-2.5-flare', 'gpt-image-2.6-sunburst', null];
  const rows = models.flatMap((model) =>
    ([null, 'url', 'b64_json'] as const).map((format) => ({
      model,
      format,
      gets: format ?? (model?.startsWith('dall-e') === true ? 'url' : 'b64_json'),
    })),
  );
  test.each(rows)('$format of $model gives $gets', async ({ model, format, gets }) => {
    const prompt = `a cat of ${model} as ${format}`;
    const { reply, books } = await generate({
      ...(model === null ? {} : { model }),
      ...(format === null ? {} : { response_format: format }),
      prompt,
      size: '1024x1024',
    });
    expect(reply.data?.map((image) => Object.keys(image).filter((key) => key !== 'revised_prompt'))).toEqual([[gets]]);
    expect(await picturesOf(reply.data)).toMatchObject([{ width: 1024, height: 1024, id: books.images[0]?.id }]);
    expect(wiretap.sent(prompt).map(({ fields }) => fields['response_format'])).toEqual([undefined]);
  });
});

describe.concurrent('headers', () => {
  test('of a reply tell the job, the model used, its cost and every warning', async () => {
    const { headers, requestId, jobId, books } = await generate({
      model: 'dall-e-3',
      prompt: 'a natural cat',
      size: '1024x1024',
      style: 'natural',
      n: 2,
    });
    const job = await stack.api.job(jobId);
    expect(job).toMatchObject({ status: 'completed', requested_model: 'dall-e-3', priority: 'high' });
    expect(headers.get('x-darkroom-model')).toBe(job.model);
    expect(Number(headers.get('x-darkroom-cost-usd'))).toBeCloseTo(books.costUsd, 6);
    expect(job.warnings.join(' ')).toContain('style');
    for (const warning of job.warnings) expect(headers.get('x-darkroom-warning')).toContain(warning);
    expect(requestId).toBeTruthy();
  });

  test.each([
    ['dall-e-2', '2026-05-12'],
    ['dall-e-3', '2026-05-12'],
    ['gpt-image-1.5', '2026-12-01'],
  ])('of a reply to %s say when it ended or ends', async (model, day) => {
    const { headers } = await generate({ model, prompt: `a cat of the past by ${model}`, size: '1024x1024' });
    const sunset = headers.get('sunset') ?? '';
    expect(sunset).toMatch(/ GMT$/);
    expect(new Date(sunset).toISOString().slice(0, 10)).toBe(day);
    expect(headers.get('deprecation')).toMatch(/^@\d+$/);
  });

  test('of a reply to a model that lives say no such thing', async () => {
    const { headers } = await generate({
      model: 'gpt-image-2',
      prompt: 'a cat to stay',
      quality: 'low',
      size: '1024x1024',
    });
    expect([headers.get('sunset'), headers.get('deprecation')]).toEqual([null, null]);
    expect(headers.get('x-darkroom-warning')).toBeNull();
  });
});

describe.concurrent('Prefer', () => {
  const send = async (prompt: string, prefer: string) => {
    const body = { model: 'gpt-image-2', prompt, quality: 'low', size: '1024x1024' };
    return stack.api.request('POST', '/v1/images/generations', { body, headers: { prefer } });
  };

  test('respond-async: 202 and the job, which ends on its own', async () => {
    const reply = await send('a cat for later', 'respond-async');
    const job = reply.json as Job;
    expect([reply.status, job.object, reply.headers.get('preference-applied')]).toEqual([202, 'job', 'respond-async']);
    expect(reply.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(reply.headers.get('x-darkroom-job-id')).toBe(job.id);
    expect((await stack.api.ended(job.id)).status).toBe('completed');
  });

  test('wait: the route waits anyway and answers in OpenAI’s shape', async () => {
    const reply = await send('a cat soon', 'wait=20');
    expect(reply.status).toBe(200);
    expect(await picturesOf((reply.json as OpenAI.ImagesResponse).data)).toMatchObject([{ width: 1024 }]);
  });
});

describe.concurrent('models', () => {
  test('are listed in OpenAI’s shape, retired ones too', async () => {
    const models = await Array.fromAsync(openai.models.list());
    const ids = models.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(['dall-e-2', 'dall-e-3', 'gpt-image-2', 'gpt-image-2.6-flare']));
    for (const model of models) {
      expect(model).toMatchObject({ object: 'model', created: expect.any(Number), owned_by: expect.any(String) });
    }
  });

  test('are retrieved one by one, a snapshot by its own name', async () => {
    expect(await openai.models.retrieve('gpt-image-2.6-flare')).toMatchObject({ id: 'gpt-image-2.6-flare' });
    expect(await openai.models.retrieve('dall-e-3')).toMatchObject({ status: 'retired', shutdown_date: '2026-05-12' });
    expect(await openai.models.retrieve('gpt-image-2-2026-04-21')).toMatchObject({ object: 'model' });
  });
});

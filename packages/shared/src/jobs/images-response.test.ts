import { describe, expect, it } from 'vitest';
import { responseFormatOf, toErrorResponse, toImagesResponse } from './images-response.ts';
import { toPublicJob } from './public-job.ts';
import type { AttemptRow, CallState, ImageRow, JobRecord } from './record.ts';
import type { JobSpec } from './spec.ts';
import { TEST_SPEC } from './test-spec.ts';

const SPEC: JobSpec = {
  ...TEST_SPEC,
  requestedModel: 'gpt-image-2',
  input: {},
  body: { model: 'gpt-image-2', prompt: 'a cat', size: '1024x1024', quality: 'auto' },
  calls: [[0], [1]],
};

const CALL: CallState = { attempts: 1, failed: 0, unknown: 0, moderated: 0, open: 0, outcome: 'succeeded' };

function attempt(facts: Partial<AttemptRow>, call = 0): JobRecord['attempts'][number] {
  return { call, seq: 1, at: 1, outcome: 'succeeded', run: 1, upstreamKey: 'default', images: [0], ...facts };
}

function image(index: number, revisedPrompt: string | null = null): ImageRow {
  const key = `images/acme/job_1/${index}.png`;
  return { index, key, contentType: 'image/png', bytes: 1, width: 1, height: 1, sha256: 'a', revisedPrompt };
}

function recordOf(changes: Partial<JobRecord> = {}, spec: Partial<JobSpec> = {}): JobRecord {
  return {
    id: 'job_1',
    spec: { ...SPEC, ...spec },
    status: 'completed',
    run: 1,
    createdAt: 1_000,
    startedAt: 2_000,
    finishedAt: 3_000,
    expiresAt: 9_000,
    cancelAt: null,
    calls: [CALL, CALL],
    attempts: [],
    images: new Map([0, 1].map((index) => [index, image(index)])),
    sequence: 1,
    lastEvent: null,
    ...changes,
  };
}

const publicOf = (record: JobRecord) => toPublicJob(record, (row) => ({ url: `/${row.index}`, expiresAt: null }));
const responseOf = (record: JobRecord) => toImagesResponse(record, publicOf(record));
const errorOf = (record: JobRecord) => toErrorResponse(record, publicOf(record));

describe('responseFormatOf', () => {
  it.each<[string, Partial<JobSpec>, string]>([
    ['a GPT image model', {}, 'b64_json'],
    ['a retired DALL·E model', { requestedModel: 'dall-e-3' }, 'url'],
    ['no model', { requestedModel: null }, 'b64_json'],
    ['no model where DALL·E is called', { requestedModel: null, model: 'dall-e-2' }, 'url'],
    ['an unknown model', { requestedModel: 'new-image', model: 'new-image' }, 'b64_json'],
    ['what is asked for', { responseFormat: 'url' }, 'url'],
    ['what is asked for of DALL·E', { requestedModel: 'dall-e-2', responseFormat: 'b64_json' }, 'b64_json'],
  ])('follows %s', (_what, spec, format) => {
    expect(responseFormatOf({ ...SPEC, ...spec })).toBe(format);
  });
});

describe('toImagesResponse', () => {
  it('has the images in order, with what became of `auto`', () => {
    const attempts = [attempt({ inputTokens: 10, outputTokens: 5, echo: { quality: 'low', background: 'opaque' } })];
    expect(responseOf(recordOf({ attempts, images: new Map([[1, image(1, 'a white cat')]]) }))).toEqual({
      created: 3,
      data: [{ index: 1, url: '/1', revised_prompt: 'a white cat' }],
      background: 'opaque',
      output_format: 'png',
      quality: 'low',
      size: '1024x1024',
      usage: {
        input_tokens: 10,
        input_tokens_details: { text_tokens: 10, image_tokens: 0 },
        output_tokens: 5,
        total_tokens: 15,
      },
    });
  });

  it('says nothing of what nobody resolved, nor of tokens nobody counted', () => {
    expect(Object.keys(responseOf(recordOf()))).toEqual(['created', 'data', 'output_format', 'size']);
  });

  it('splits the input tokens of all calls', () => {
    const attempts = [
      attempt({ inputTokens: 100, inputImageTokens: 60, outputTokens: 1 }),
      attempt({ inputTokens: 50, inputImageTokens: 30, outputTokens: 1 }, 1),
    ];
    expect(responseOf(recordOf({ attempts })).usage).toMatchObject({
      input_tokens: 150,
      input_tokens_details: { text_tokens: 60, image_tokens: 90 },
    });
  });

  it('tells the size delivered when it was scaled down', () => {
    expect(responseOf(recordOf({}, { downscaleTo: { width: 256, height: 256 } })).size).toBe('256x256');
  });
});

describe('toErrorResponse', () => {
  const failed = (error: CallState['error'], outcome: CallState['outcome'] = 'failed') =>
    errorOf(
      recordOf({ status: 'failed', images: new Map(), calls: [{ ...CALL, outcome, error: error ?? null }, CALL] }),
    );

  it('has the upstream’s status and words', () => {
    const error = { code: 'moderation_blocked', type: 'image_generation_user_error', message: 'No.', status: 400 };
    expect(failed(error)).toEqual({
      status: 400,
      error: { message: 'No.', type: 'image_generation_user_error', param: null, code: 'moderation_blocked' },
    });
  });

  it.each<[string, CallState['error'], CallState['outcome'], number]>([
    ['a cancelled job', { code: 'cancelled' }, 'withheld', 409],
    ['an expired job', { code: 'expired' }, 'withheld', 504],
    ['an unknown outcome', { code: 'outcome_unknown' }, 'failed', 502],
    ['a 200 without images', { code: 'upstream_error', status: 200 }, 'failed', 502],
    ['something unheard of', { code: 'new_code' }, 'failed', 500],
  ])('has a status of its own for %s', (_what, error, outcome, status) => {
    expect(failed(error, outcome).status).toBe(status);
  });
});

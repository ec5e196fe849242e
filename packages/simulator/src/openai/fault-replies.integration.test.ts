import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FaultKind } from './fault-kinds.ts';
import { type Kit, startKit } from './test-kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit({ reality: 'everything' });
});
afterAll(() => kit.close());
beforeEach(() => kit.reset());

const generate = (body: Record<string, unknown> = {}) =>
  kit.post('/v1/images/generations', { model: 'gpt-image-2', prompt: 'a cat', n: 2, ...body });

interface Expected {
  kind: FaultKind;
  params?: Record<string, unknown>;
  status: number;
  type?: string;
  code?: string | null;
  param?: string | null;
  message?: RegExp;
  headers?: Record<string, string | null>;
  /** Images billed; default 0. */
  billed?: number;
}

const IPM =
  /^Rate limit reached for gpt-image-2 in organization org-\S+ on input-images per min: Limit 5, Used 5, Requested 2\. Please try again in 12s\. Visit https:\/\/platform\.openai\.com\/account\/rate-limits to learn more\.$/;

/** One row per error body of the reference. */
const ERRORS: Expected[] = [
  {
    kind: 'rate_limit_images',
    status: 429,
    type: 'input-images',
    code: 'rate_limit_exceeded',
    message: IPM,
    headers: { 'retry-after': '12', 'retry-after-ms': '12000' },
  },
  {
    kind: 'rate_limit_images',
    params: { retryAfterMs: 15, limit: 4000, used: 4000, requested: 1, forLimit: 'gpt-image', headers: false },
    status: 429,
    type: 'input-images',
    code: 'rate_limit_exceeded',
    message:
      /^Rate limit reached for gpt-image-2 \(for limit gpt-image\) in organization \S+ on input-images per min: Limit 4000, Used 4000, Requested 1\. Please try again in 15ms\./,
    headers: { 'retry-after': null, 'retry-after-ms': null },
  },
  {
    kind: 'rate_limit_requests',
    params: { retryAfterMs: 120 },
    status: 429,
    type: 'requests',
    code: 'rate_limit_exceeded',
    message: /on requests per min \(RPM\): Limit 500, .*try again in 120ms/,
    headers: { 'retry-after': '1', 'retry-after-ms': '120' },
  },
  {
    kind: 'rate_limit_tokens',
    params: { limit: 30000, used: 29446, requested: 821, retryAfterMs: 534 },
    status: 429,
    type: 'tokens',
    code: 'rate_limit_exceeded',
    message: /on tokens per min \(TPM\): Limit 30000, Used 29446, Requested 821\. Please try again in 534ms\. Visit/,
    headers: { 'retry-after': '1', 'retry-after-ms': '534' },
  },
  {
    kind: 'rate_limit_legacy',
    status: 429,
    code: 'rate_limit_exceeded',
    message: /^You've exceeded the rate limit, please slow down and try again after 51\.84 seconds\.$/,
    headers: { 'retry-after': null },
  },
  { kind: 'rate_limit_zero', status: 429, code: 'rate_limit_exceeded', message: /Limit: 0\/1min\. Current: 2\/1min\./ },
  {
    kind: 'rate_limit_too_large',
    params: { limit: 1 },
    status: 429,
    code: 'rate_limit_exceeded',
    message: /Limit 1, Used 0, Requested 2\./,
  },
  {
    kind: 'rate_limit_in_200',
    status: 200,
    type: 'input-images',
    code: 'rate_limit_exceeded',
    message: /input-images per min/,
  },
  {
    kind: 'slow_down',
    params: { retryAfterMs: 3000 },
    status: 429,
    type: 'rate_limit_error',
    code: 'slow_down',
    message:
      /^Your request rate increased too quickly\. Please reduce the request rate and gradually increase it again\.$/,
    headers: { 'retry-after': '3' },
  },
  ...[
    'insufficient_quota',
    'credit_balance_exhausted',
    'organization_spend_limit_exceeded',
    'project_spend_limit_exceeded',
    'organization_usage_limit_exceeded',
  ].map(
    (code): Expected => ({
      kind: 'insufficient_quota',
      params: { code },
      status: 429,
      type: 'insufficient_quota',
      code,
      message: /^You exceeded your current quota, please check your plan and billing details\.$/,
    }),
  ),
  {
    kind: 'billing_hard_limit',
    status: 400,
    type: 'billing_limit_user_error',
    code: 'billing_hard_limit_reached',
    message: /^Billing hard limit has been reached\.$/,
  },
  {
    kind: 'invalid_api_key',
    status: 401,
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    message: /^Incorrect API key provided: sk-/,
  },
  {
    kind: 'org_unverified',
    status: 403,
    type: 'invalid_request_error',
    code: null,
    message: /^Your organization must be verified to use the model `gpt-image-2`\. Please go to: https:\/\/platform/,
  },
  { kind: 'no_model_access', status: 403, message: /does not have access to the requested model/ },
  {
    kind: 'model_not_found_400',
    status: 400,
    type: 'image_generation_user_error',
    code: 'invalid_value',
    param: 'model',
    message: /^The model 'gpt-image-2' does not exist\.$/,
  },
  {
    kind: 'model_not_found_404',
    status: 404,
    code: 'model_not_found',
    message: /^The model `gpt-image-2` does not exist or you do not have access to it\.$/,
  },
  { kind: 'gone_410', status: 410, message: /has been retired/ },
  {
    kind: 'server_error',
    status: 500,
    type: 'server_error',
    message: /^An error occurred while processing your request\..*request ID req_/,
  },
  { kind: 'server_error', params: { status: 599 }, status: 599, type: 'server_error' },
  { kind: 'server_error', params: { billed: true }, status: 500, type: 'server_error', billed: 2 },
  {
    kind: 'overloaded',
    status: 503,
    type: 'service_unavailable_error',
    code: 'server_is_overloaded',
    message: /^The model is temporarily overloaded\. Please retry your request after a brief delay\.$/,
  },
  {
    kind: 'status',
    params: {
      status: 418,
      body: { error: { message: 'teapot', type: 't', param: null, code: 'c' } },
      headers: { 'x-more': 'yes' },
    },
    status: 418,
    type: 't',
    code: 'c',
    headers: { 'x-more': 'yes' },
  },
  { kind: 'request_timeout_408', status: 408 },
  { kind: 'conflict_409', status: 409 },
  { kind: 'gateway_timeout_504', status: 504, type: 'server_error' },
  { kind: 'gateway_timeout_504', params: { billed: true }, status: 504, billed: 2 },
  {
    kind: 'moderation_input',
    params: { categories: ['violence'] },
    status: 400,
    type: 'image_generation_user_error',
    code: 'moderation_blocked',
    message: /^Your request was rejected by the safety system\. .*safety_violations=\[violence\]\.$/,
  },
  {
    kind: 'moderation_output',
    status: 400,
    type: 'image_generation_user_error',
    code: 'moderation_blocked',
    billed: 2,
  },
  { kind: 'moderation_output', params: { billed: false }, status: 400, code: 'moderation_blocked' },
];

test.each(ERRORS)('$kind $params answers $status', async ({ kind, params, ...expected }) => {
  await kit.fault({ kind, ...(params ? { params } : {}), count: 1 });
  const reply = await generate();
  const { error } = (await reply.json()) as { error: Record<string, unknown> };
  expect(reply.status).toBe(expected.status);
  expect(Object.keys(error).slice(0, 4).sort()).toEqual(['code', 'message', 'param', 'type']);
  if (expected.type !== undefined) expect(error.type).toBe(expected.type);
  if (expected.code !== undefined) expect(error.code).toBe(expected.code);
  expect(error.param).toBe(expected.param ?? null);
  if (expected.message !== undefined) expect(error.message).toMatch(expected.message);
  for (const [name, value] of Object.entries(expected.headers ?? {})) expect(reply.headers.get(name)).toBe(value);
  const { requests, images } = await kit.ledger();
  expect(reply.headers.get('x-request-id')).toBe(requests[0]?.id);
  expect(requests[0]).toMatchObject({ fault: kind, status: expected.status, billedImages: expected.billed ?? 0 });
  expect(images).toHaveLength(expected.billed ?? 0);
  const next = await generate();
  expect(next.status).toBe(200);
});

test('moderation details name the stage and the categories', async () => {
  await kit.fault({ kind: 'moderation_input', count: 1 });
  expect(await (await generate()).json()).toMatchObject({
    error: { moderation_details: { moderation_stage: 'input', categories: ['sexual'] } },
  });
  await kit.fault({ kind: 'moderation_output', count: 1, params: { details: false } });
  expect(((await (await generate()).json()) as { error: object }).error).not.toHaveProperty('moderation_details');
});

test('DALL-E speaks its own dialect of limits and of moderation', async () => {
  await kit.fault({ kind: 'rate_limit_images', count: 1 });
  const request = { model: 'dall-e-3', n: 1 };
  expect(await (await generate(request)).json()).toMatchObject({
    error: { type: 'requests', message: expect.stringContaining('Limit: 5/1min. Current: 6/1min.') },
  });
  await kit.fault({ kind: 'moderation_input', count: 1 });
  expect(await (await generate(request)).json()).toMatchObject({ error: { code: 'content_policy_violation' } });
});

describe('replies from the edge carry no request id', () => {
  test.each([
    ['empty_404', {}, 404, null, /^$/],
    ['cloudflare_520', { status: 524 }, 524, 'text/html; charset=UTF-8', /<h1>524/],
    ['server_error', { status: 502, html: true }, 502, 'text/html; charset=UTF-8', /<h1>502/],
    ['server_error', { status: 503, html: true }, 503, 'text/html; charset=UTF-8', /<h1>503/],
    ['gateway_timeout_504', { html: true }, 504, 'text/html; charset=UTF-8', /<h1>504/],
    ['edge_1015', {}, 429, 'text/plain; charset=UTF-8', /^error code: 1015$/],
  ])('%s %j', async (kind, params, status, type, body) => {
    await kit.fault({ kind, params, count: 1 });
    const reply = await generate();
    expect([reply.status, reply.headers.get('content-type')]).toEqual([status, type]);
    expect(await reply.text()).toMatch(body);
    expect(reply.headers.get('x-request-id')).toBeNull();
    if (kind === 'edge_1015') expect(reply.headers.get('retry-after')).toBe('54749');
  });

  test('status sends a text body as it is', async () => {
    await kit.fault({ kind: 'status', params: { status: 500, body: 'upstream connect error' } });
    const reply = await generate();
    expect([await reply.text(), reply.headers.get('content-type')]).toEqual(['upstream connect error', 'text/plain']);
  });
});

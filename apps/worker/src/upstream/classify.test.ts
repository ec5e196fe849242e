import { describe, expect, test } from 'vitest';
import { observe } from '../governor/observation.ts';
import {
  classifyFailure,
  classifyReply,
  isModelUnknown,
  noImageData,
  type Request,
  type UpstreamReply,
} from './classify.ts';

const blockedAt = (stage: string) => ({ moderation_stage: stage, categories: ['sexual'] });

function reply(
  status: number,
  facts: Partial<UpstreamReply> = {},
  headers: Record<string, string> = {},
): UpstreamReply {
  const message = facts.message ?? null;
  return {
    status,
    requestId: 'req_1',
    type: null,
    code: null,
    param: null,
    message,
    moderation: null,
    observation: observe(new Headers(headers), message ?? '', 0),
    ...facts,
  };
}

const ONE: Request = { operation: 'generation', images: 1 };

const IMAGES_429 =
  'Rate limit reached for gpt-image-2 in organization org-x on input-images per min: Limit 5, Used 5, Requested';

describe('the verdict on a reply', () => {
  test.each<[string, UpstreamReply, number, string]>([
    ['401', reply(401, { code: 'invalid_api_key' }), 1, 'pause'],
    ['400 billing', reply(400, { code: 'billing_hard_limit_reached', type: 'billing_limit_user_error' }), 1, 'pause'],
    ['400 billing by its text', reply(400, { message: 'Billing hard limit has been reached.' }), 1, 'pause'],
    ['429 insufficient_quota', reply(429, { type: 'insufficient_quota', code: 'insufficient_quota' }), 1, 'pause'],
    ['429 credit balance', reply(429, { code: 'credit_balance_exhausted' }), 1, 'pause'],
    ['429 project spend', reply(429, { code: 'project_spend_limit_exceeded' }), 1, 'pause'],
    ['429 organization spend', reply(429, { code: 'organization_spend_limit_exceeded' }), 1, 'pause'],
    ['429 organization usage', reply(429, { code: 'organization_usage_limit_exceeded' }), 1, 'pause'],
    ['429 limit 0', reply(429, { message: 'Limit: 0/1min. Current: 1/1min.' }), 1, 'final'],
    ['429 too large for any call', reply(429, { message: `${IMAGES_429} 6.` }), 1, 'final'],
    ['429 too large for this call', reply(429, { message: `${IMAGES_429} 10.` }), 10, 'split'],
    ['429 images', reply(429, { message: `${IMAGES_429} 1. Please try again in 15ms.` }), 1, 'later'],
    ['429 slow_down', reply(429, { code: 'slow_down' }), 1, 'later'],
    ['429 without a body', reply(429), 1, 'later'],
    [
      'moderation after the work',
      reply(400, { code: 'moderation_blocked', moderation: blockedAt('output') }),
      1,
      'moderated',
    ],
    [
      'moderation before the work',
      reply(400, { code: 'moderation_blocked', moderation: blockedAt('input') }),
      1,
      'final',
    ],
    ['moderation without details', reply(400, { code: 'moderation_blocked' }), 1, 'final'],
    ['content policy', reply(400, { code: 'content_policy_violation' }), 1, 'final'],
    ['404', reply(404), 1, 'final'],
    ['410', reply(410), 1, 'final'],
    ['400 no such model', reply(400, { message: "The model 'dall-e-3' does not exist." }), 1, 'final'],
    ['408', reply(408), 1, 'unknown'],
    ['409', reply(409), 1, 'unknown'],
    ['504', reply(504), 1, 'unknown'],
    ['520', reply(520), 1, 'unknown'],
    ['527', reply(527), 1, 'unknown'],
    ['528', reply(528), 1, 'retry'],
    ['400', reply(400, { code: 'invalid_value' }), 1, 'final'],
    ['403', reply(403), 1, 'final'],
    ['422', reply(422), 1, 'final'],
    ['302', reply(302), 1, 'final'],
    ['500', reply(500, { code: 'server_error' }), 1, 'retry'],
    ['502', reply(502), 1, 'retry'],
    ['503', reply(503, { code: 'server_is_overloaded' }), 1, 'retry'],
  ])('%s', (_, answer, images, verdict) => {
    expect(classifyReply(answer, { operation: 'edit', images }).verdict).toBe(verdict);
  });

  test('keeps status, type, code, param and request id of the upstream', () => {
    const error = classifyReply(
      reply(400, { type: 'image_generation_user_error', code: 'invalid_value', param: 'size', message: 'no' }),
      ONE,
    );
    expect(error).toMatchObject({
      status: 400,
      type: 'image_generation_user_error',
      code: 'invalid_value',
      param: 'size',
      requestId: 'req_1',
    });
  });

  test.each([404, 410])('%d without a body is model_not_found, with a message of our own', (status) => {
    expect(classifyReply(reply(status), ONE)).toMatchObject({
      code: 'model_not_found',
      message: `The upstream answered ${status} without an error message.`,
    });
  });

  test.each<[string, UpstreamReply]>([
    ['an empty 404', reply(404)],
    ['a 410', reply(410, { message: 'The image variations endpoint is no longer available.' })],
  ])('%s for a variation is the end of the endpoint, and says nothing about the model', (_, answer) => {
    const error = classifyReply(answer, { operation: 'variation', images: 1 });
    expect(error).toMatchObject({ verdict: 'final', code: 'unsupported_operation', status: answer.status });
    expect(error.message).toContain('MODEL_POLICY=translate');
    expect(isModelUnknown(error)).toBe(false);
  });

  test('a 404 for a variation that names the model is about the model', () => {
    const answer = reply(404, { code: 'model_not_found', message: 'The model `dall-e-2` does not exist.' });
    expect(isModelUnknown(classifyReply(answer, { operation: 'variation', images: 1 }))).toBe(true);
  });

  test.each(['unsupported_file_mimetype', 'invalid_image_file', 'invalid_mask_image_format'])(
    '400 %s is final and keeps its words',
    (code) => {
      const answer = reply(400, { code, param: 'image[0]', message: "Invalid file 'image[0]'." });
      const error = classifyReply(answer, { operation: 'edit', images: 1 });
      expect(error).toMatchObject({ verdict: 'final', code, param: 'image[0]', message: "Invalid file 'image[0]'." });
    },
  );

  test('never repeats a key the upstream quotes', () => {
    const error = classifyReply(
      reply(401, { message: 'Incorrect API key provided: sk-proj-abcdefghijkl****wxyz. You can find …' }),
      ONE,
    );
    expect(error.message).not.toContain('abcdefghijkl');
    expect(error.message).toContain('Incorrect API key provided');
  });

  test('carries how long to wait', () => {
    expect(classifyReply(reply(503, {}, { 'retry-after': '7' }), ONE).retryAfterMs).toBe(7_000);
  });
});

describe('the verdict without a reply', () => {
  const refused = new TypeError('fetch failed', {
    cause: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
  });

  test('before sending is a retry, and says so', () => {
    const error = classifyFailure(refused, 'not');
    expect(error).toMatchObject({ verdict: 'retry', code: 'upstream_unreachable', status: 502 });
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('after sending is unknown, perhaps charged', () => {
    expect(classifyFailure(new Error('reset'), 'whole')).toMatchObject({ verdict: 'unknown', code: 'outcome_unknown' });
  });

  test('with half a request sent is a retry', () => {
    const error = classifyFailure(new Error('reset'), 'in-part');
    expect(error).toMatchObject({ verdict: 'retry', code: 'upstream_unreachable' });
    expect(error.message).toContain('not sent whole');
  });

  test('an unknown outcome without a code of its own says that it may have been charged', () => {
    const request = { images: 1, operation: 'generation' } as Request;
    const error = classifyReply(reply(504), request);
    expect(error).toMatchObject({ status: 504, code: 'outcome_unknown', verdict: 'unknown' });
    expect(error.message).toContain('may have been charged');
    expect(classifyReply(reply(504, { code: 'gateway' }), request).code).toBe('gateway');
  });

  test('what the filter said goes on to the caller', () => {
    const moderation = blockedAt('input');
    const request = { images: 1, operation: 'generation' } as Request;
    expect(classifyReply(reply(400, { code: 'moderation_blocked', moderation }), request).moderation).toBe(moderation);
  });

  test('a 200 without image data is unknown', () => {
    expect(noImageData('req_9', 'empty')).toMatchObject({ verdict: 'unknown', requestId: 'req_9' });
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toInputLine, validateBatchSubmission } from './batch-submission.ts';

const WEBHOOKS = { urlProblem: () => null, secretProblem: null };
const FILE = { input_file_id: 'file-1', endpoint: '/v1/images/generations', completion_window: '24h' };
const check = (body: unknown) => validateBatchSubmission(body, WEBHOOKS);
const paramsOf = (body: unknown) => {
  const result = check(body);
  return result.ok ? [] : result.problems.map((problem) => problem.param);
};

describe('a batch', () => {
  test('of a file is read as OpenAI’s clients send it', () => {
    expect(check({ ...FILE, metadata: { order: '42' } })).toEqual({
      ok: true,
      submission: {
        inputFileId: 'file-1',
        requests: null,
        endpoint: '/v1/images/generations',
        completionWindow: '24h',
        windowMs: 86_400_000,
        onInvalid: 'reject',
        priority: 'low',
        metadata: { order: '42' },
        webhook: null,
        dryRun: false,
      },
    });
  });

  test.each<[string, object, string[]]>([
    ['nothing to do', { completion_window: '1h' }, ['input_file_id']],
    ['a file without endpoint', { input_file_id: 'file-1', completion_window: '1h' }, ['endpoint']],
    ['both inputs', { ...FILE, requests: [{}] }, ['requests']],
    ['no window', { ...FILE, completion_window: null }, ['completion_window']],
    ['a window of 25 hours', { ...FILE, completion_window: '25h' }, ['completion_window']],
    ['an endpoint without images', { ...FILE, endpoint: '/v1/chat/completions' }, ['endpoint']],
    ['no inline request', { requests: [], completion_window: '1h' }, ['requests']],
    [
      '1,001 inline requests',
      { requests: Array.from({ length: 1_001 }, () => ({})), completion_window: '1h' },
      ['requests'],
    ],
    ['a typo', { ...FILE, on_invald: 'skip' }, ['on_invald']],
    ['another choice', { ...FILE, on_invalid: 'ignore' }, ['on_invalid']],
    [
      'a field that is not built',
      { ...FILE, output_expires_after: { anchor: 'created_at', seconds: 3_600 } },
      ['output_expires_after'],
    ],
    [
      'a webhook for job events',
      { ...FILE, webhook: { url: 'https://x.example', events: ['job.completed'] } },
      ['webhook.events[0]'],
    ],
    [
      'several problems',
      { completion_window: '0h', priority: 'urgent' },
      ['input_file_id', 'completion_window', 'priority'],
    ],
  ])('with %s is refused', (_, body, params) => {
    expect(paramsOf(body)).toEqual(params);
  });

  test('never fails, whatever it is', () => {
    fc.assert(fc.property(fc.jsonValue(), (body) => void check(body)));
  });
});

describe('an inline request', () => {
  test.each<[unknown, unknown]>([
    [
      { custom_id: 'a', operation: 'generation', body: {} },
      { method: 'POST', url: '/v1/images/generations', custom_id: 'a', body: {} },
    ],
    [
      { custom_id: 'a', url: '/v1/images/edits', body: {} },
      { method: 'POST', url: '/v1/images/edits', custom_id: 'a', body: {} },
    ],
    [
      { custom_id: 'a', body: {} },
      { method: 'POST', url: '/v1/images/generations', custom_id: 'a', body: {} },
    ],
    ['text', 'text'],
  ])('%j becomes the line %j', (request, line) => {
    expect(toInputLine(request, '/v1/images/generations')).toEqual(line);
  });
});

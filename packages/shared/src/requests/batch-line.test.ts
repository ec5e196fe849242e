import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBatchLine } from './batch-line.ts';
import { imageOf, inputsOf } from './test-inputs.ts';
import type { ValidateContext } from './validate.ts';

const CONTEXT: ValidateContext = {
  now: Date.parse('2026-11-22T12:00:00Z'),
  modelPolicy: 'translate',
  defaultModel: 'gpt-image-2.6-flare',
  allowUnknownModels: false,
  variationPrompt: 'Vary it.',
};
const LINE = {
  custom_id: 'a-1',
  method: 'POST',
  url: '/v1/images/generations',
  body: { model: 'gpt-image-2', prompt: 'a cat' },
};
const parse = (line: unknown) => parseBatchLine(JSON.stringify(line), '/v1/images/generations', CONTEXT);
const paramsOf = (line: unknown) => {
  const parsed = parse(line);
  return parsed.ok ? [] : parsed.problems.map((problem) => problem.param);
};

describe('a line', () => {
  test('is checked by the rules of its model, and keeps Darkroom’s own fields', () => {
    const parsed = parse({
      ...LINE,
      body: { ...LINE.body, n: 3, metadata: { a: 'b' }, priority: 'high', response_format: 'b64_json' },
    });
    expect(parsed).toMatchObject({
      ok: true,
      customId: 'a-1',
      hasPriority: true,
      submission: {
        metadata: { a: 'b' },
        priority: 'high',
        request: { model: 'gpt-image-2', n: 3, responseFormat: 'b64_json' },
      },
    });
  });

  test.each<[string, unknown, (string | null)[]]>([
    ['without custom_id', { ...LINE, custom_id: undefined }, ['custom_id']],
    ['with an empty custom_id', { ...LINE, custom_id: '' }, ['custom_id']],
    ['with another method', { ...LINE, method: 'GET' }, ['method']],
    ['for another endpoint than its batch', { ...LINE, url: '/v1/images/edits' }, ['url', 'body.images']],
    ['for no endpoint of ours', { ...LINE, url: '/v1/chat/completions' }, ['url']],
    ['without body', { ...LINE, body: undefined }, ['body']],
    ['with an unknown field', { ...LINE, customid: 'x' }, ['customid']],
    ['with two problems in its body', { ...LINE, body: { prompt: '', sise: '1x1' } }, ['body.prompt', 'body.sise']],
    ['that asks for a dry run', { ...LINE, body: { ...LINE.body, dry_run: true } }, ['body.dry_run']],
    ['that is a list', [], [null]],
  ])('%s is refused', (_, line, params) => {
    expect(paramsOf(line)).toEqual(params);
  });

  test('of edits and variations is checked with and without its images', () => {
    const edit = { ...LINE, url: '/v1/images/edits', body: { prompt: 'x', images: [{ file_id: 'file-1' }] } };
    const found = parseBatchLine(JSON.stringify(edit), null, CONTEXT);
    expect(found.ok && found.submission.request.references?.images[0]?.param).toBe('body.images[0]');
    const line = JSON.stringify(edit);
    const measured = inputsOf({ images: [imageOf('body.images[0]')] });
    const resolved = parseBatchLine(line, null, CONTEXT, measured);
    expect(resolved.ok && resolved.submission.request).toMatchObject({ references: null, sentAs: 'edit' });
    const large = inputsOf({ images: [imageOf('body.images[0]', { bytes: 52_428_800 })] });
    const refused = parseBatchLine(line, null, CONTEXT, large);
    expect(refused.ok ? [] : refused.problems).toMatchObject([
      {
        code: 'file_too_large',
        param: 'body.images[0]',
        message: expect.stringMatching(/^Invalid file 'images\[0\]':/),
      },
    ]);
    const body = { images: [{ file_id: 'file-1' }] };
    const variation = parseBatchLine(
      JSON.stringify({ ...LINE, url: '/v1/images/variations', body }),
      '/v1/images/variations',
      CONTEXT,
    );
    expect(variation.ok && variation.submission.request).toMatchObject({ operation: 'variation', sentAs: 'edit' });
  });

  test('that is no JSON says so', () => {
    const parsed = parseBatchLine('{"custom_id":', null, CONTEXT);
    expect(parsed.ok ? null : parsed.problems[0]?.code).toBe('invalid_json');
  });

  test('never fails, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (text, line) => {
        parseBatchLine(text, null, CONTEXT);
        parse(line);
      }),
    );
  });
});

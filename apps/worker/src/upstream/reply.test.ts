import { describe, expect, test } from 'vitest';
import { type ImagesReply, parseImagesReply } from './reply.ts';
import { ReplyBody } from './reply-body.ts';

function parse(text: string, requestId: string | null): ImagesReply {
  const body = new ReplyBody(text.length);
  body.write(Buffer.from(text));
  return parseImagesReply(body, requestId);
}

describe('a 200', () => {
  test('gives bytes, links, revised prompts and usage', () => {
    const text = JSON.stringify({
      data: [
        { b64_json: Buffer.from('abc').toString('base64'), revised_prompt: 'a better cat' },
        { url: 'https://x/1.png' },
      ],
      usage: { input_tokens: 3 },
    });
    const reply = parse(text, 'req_1');
    expect(reply.images[0]).toMatchObject({ kind: 'bytes', revisedPrompt: 'a better cat' });
    expect(reply.images[0]?.kind === 'bytes' && reply.images[0].bytes.toString()).toBe('abc');
    expect(reply.images[1]).toEqual({ kind: 'url', url: 'https://x/1.png', revisedPrompt: null });
    expect(reply.usage).toEqual({ input_tokens: 3 });
  });

  test('gives what the upstream says it has made, and nothing else', () => {
    const told = { background: 'opaque', output_format: 'png', quality: 'high', size: '1024x1024' };
    const reply = { data: [{ url: 'https://x/1.png' }], ...told, safety_identifier: 'x', created: 1 };
    expect(parse(JSON.stringify(reply), null).echo).toEqual(told);
    const odd = { ...reply, background: null, quality: 7, size: 'x'.repeat(33) };
    expect(parse(JSON.stringify(odd), null).echo).toEqual({ output_format: 'png' });
  });

  test.each([
    ['an empty body', ''],
    ['a cut-off body', '{"data":[{"b64_json":"aGVsb'],
    ['HTML', '<html></html>'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no data', '{"created":1}'],
    ['empty data', '{"data":[]}'],
    ['data of nothing', '{"data":[null,{},{"b64_json":""},{"b64_json":7}]}'],
    ['an error inside', '{"error":{"message":"Rate limit reached"}}'],
  ])('with %s is an unknown outcome', (_, text) => {
    expect(() => parse(text, 'req_1')).toThrowError(
      expect.objectContaining({ verdict: 'unknown', code: 'outcome_unknown' }),
    );
  });
});

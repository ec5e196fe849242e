import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ImagesReply, parseImagesReply } from './reply.ts';
import { ReplyBody } from './reply-body.ts';

function parse(text: string | Buffer, requestId: string | null): ImagesReply {
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
    expect(reply.isWhole).toBe(true);
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
    ['a body cut off in its first image', '{"data":[{"b64_json":"aGVsb'],
    ['a body cut off right before its quote', '{"data":[{"b64_json":"aGVsbG8='],
    ['a body cut off in its first link', '{"data":[{"url":"https://x/1.png'],
    ['a body cut off behind an image of nothing', '{"data":[{"b64_json":""},{"b64_json":"aGVsb'],
    ['a body cut off behind a link that is none of its images’', '{"url":"https://x/1.png","data":[{'],
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

describe('a reply that breaks off', () => {
  const anyText = fc.string({
    unit: fc.oneof(fc.constantFrom('"', '\\', '{', ']', ',', 'b64_json', 'é'), fc.string()),
  });
  const anyItem = fc.record({
    image: fc.oneof(
      fc
        .uint8Array({ minLength: 1, maxLength: 20 })
        .map((bytes) => ({ b64_json: Buffer.from(bytes).toString('base64') })),
      anyText.map((path) => ({ url: `https://x/${path}` })),
    ),
    prompt: fc.option(anyText),
    isPromptFirst: fc.boolean(),
  });
  const anyReply = fc.record({
    items: fc.array(anyItem, { minLength: 1, maxLength: 4 }),
    before: fc.record({ background: fc.constant('opaque'), odd: fc.jsonValue() }),
    spaces: fc.constantFrom('', ' ', '\n\t'),
  });
  type Item = typeof anyItem extends fc.Arbitrary<infer T> ? T : never;

  /** What came, in one notation for both kinds. */
  const shown = ({ images }: ImagesReply) =>
    images.map((image) => (image.kind === 'url' ? image.url : image.bytes.toString('base64')));
  const valueOf = ({ image }: Item): string => ('url' in image ? image.url : image.b64_json);
  const toWire = ({ image, prompt, isPromptFirst }: Item) => {
    const revised = prompt === null ? {} : { revised_prompt: prompt };
    return isPromptFirst ? { ...revised, ...image } : { ...image, ...revised };
  };

  /** How many bytes have to come for each of the images to be whole. */
  function endsOf(text: string, items: readonly Item[], colon: string): number[] {
    let at = text.lastIndexOf('"data"');
    return items.map(({ image }) => {
      const member = Object.entries(image)
        .flat()
        .map((part) => JSON.stringify(part))
        .join(colon);
      at = text.indexOf(member, at) + member.length;
      return Buffer.byteLength(text.slice(0, at));
    });
  }

  test('anywhere gives the images whose quotes are closed, in their order, and no price', () => {
    fc.assert(
      fc.property(anyReply, ({ items, before, spaces }) => {
        const usage = { input_tokens: 30, output_tokens: 40 };
        const text = JSON.stringify(
          { created: 17, ...before, data: items.map(toWire), size: 'x', usage },
          null,
          spaces,
        );
        const ends = endsOf(text, items, spaces === '' ? ':' : ': ');
        const bytes = Buffer.from(text);
        for (let cut = 0; cut < bytes.length; cut += 1) {
          const whole = items.filter((_, at) => (ends[at] ?? 0) <= cut).map(valueOf);
          if (whole.length === 0) {
            expect(() => parse(bytes.subarray(0, cut), null)).toThrowError(
              expect.objectContaining({ verdict: 'unknown' }),
            );
            continue;
          }
          const reply = parse(bytes.subarray(0, cut), null);
          expect([shown(reply), reply.usage, reply.isWhole]).toEqual([whole, null, false]);
          expect(reply.images.map(({ revisedPrompt }) => revisedPrompt)).toEqual(promptsOf(reply, items));
        }
      }),
      { numRuns: 25 },
    );
  });

  /** Those of the items; of the last image's it may be that it had not come. */
  function promptsOf({ images }: ImagesReply, items: readonly Item[]): (string | null)[] {
    const last = images.at(-1)?.revisedPrompt ?? null;
    return images.map((_, at) => (at === images.length - 1 && last === null ? null : (items[at]?.prompt ?? null)));
  }

  test('keeps what the upstream has said of it', () => {
    const reply = parse('{"quality":"high","size":"auto","data":[{"url":"https://x/1.png"},{"url":"htt', null);
    expect(reply.echo).toEqual({ quality: 'high', size: 'auto' });
  });

  test('or goes on with what is no JSON counts as far as it is some', () => {
    const whole = '{"data":[{"url":"https://x/1.png"},{"url":"https://x/2.png"}],"usage":{"input_tokens":3}}';
    const reply = parse(`${whole}\n<html>504 "Gateway", {"x":[1,2]}`, null);
    expect([shown(reply), reply.isWhole]).toEqual([['https://x/1.png', 'https://x/2.png'], false]);
    expect(() => parse('{"data":[{"url":"https://x/1.png"},!,{"url":"https://x/2.png"}', null)).toThrowError(
      'not JSON',
    );
  });
});

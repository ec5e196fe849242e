import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplyBody } from './reply-body.ts';

/** What is read when `text` comes cut at the given places. */
function read(text: string, cuts: readonly number[], lengthBytes = 0): { b64_json?: string; bytes?: string }[] {
  const bytes = Buffer.from(text);
  const body = new ReplyBody(lengthBytes);
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (const [index, from] of places.entries()) body.write(bytes.subarray(from, places[index + 1]));
  expect(body.receivedBytes).toBe(bytes.length);
  const parsed = JSON.parse(body.text()) as { data: { b64_json?: string }[] };
  return parsed.data.map(({ b64_json: image, ...rest }) =>
    image === undefined ? rest : { ...rest, bytes: body.imageAt(image).toString('hex') },
  );
}

const anyCuts = fc.array(fc.nat(5_000), { maxLength: 12 });
const anyText = fc.string({ unit: fc.oneof(fc.constantFrom('"', '\\', 'b64_json', ':', 'é', '\n'), fc.string()) });

describe('a reply, cut anywhere', () => {
  test('gives the bytes of each image and every other text as it is', () => {
    const anyImage = fc.record({
      bytes: fc.uint8Array({ maxLength: 300 }),
      revised_prompt: anyText,
      spaces: fc.constantFrom('', ' ', '\n    '),
      isUrlSafe: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(anyImage, { minLength: 1, maxLength: 4 }),
        anyCuts,
        fc.nat(2_000),
        (images, cuts, length) => {
          const data = images.map(({ bytes, revised_prompt, isUrlSafe }) => ({
            b64_json: Buffer.from(bytes).toString(isUrlSafe ? 'base64url' : 'base64'),
            revised_prompt,
          }));
          const text = JSON.stringify(
            { created: 1, data, usage: { 'odd "b64_json":': '\\' } },
            null,
            images[0]?.spaces,
          );
          expect(read(text, cuts, length)).toEqual(
            images.map(({ bytes, revised_prompt }) => ({ revised_prompt, bytes: Buffer.from(bytes).toString('hex') })),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('undoes escapes in base64 and skips line breaks', () => {
    const escape = (character: string, how: number): string => {
      if (how === 0) return character;
      if (how === 1) return character === '/' ? '\\/' : `\\u00${character.charCodeAt(0).toString(16)}`;
      return how === 2 ? `${character}\\n` : `${character}\\r\\n`;
    };
    const anyEscaped = fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.infiniteStream(fc.nat(3)));
    fc.assert(
      fc.property(anyEscaped, anyCuts, ([bytes, hows], cuts) => {
        const base64 = Buffer.from(bytes).toString('base64');
        const escaped = base64.replace(/./g, (character) => escape(character, hows.next().value as number));
        expect(read(`{"data":[{"b64_json" : "${escaped}"}]}`, cuts)).toEqual([
          { bytes: Buffer.from(bytes).toString('hex') },
        ]);
      }),
      { numRuns: 500 },
    );
  });

  test('finds an image under a name that is written with escapes', () => {
    expect(read('{"data":[{"b64\\u005fjson":"aGVsbG8="}]}', [])).toEqual([
      { bytes: Buffer.from('hello').toString('hex') },
    ]);
  });
});

test('text that looks like the name of an image is none', () => {
  const text = JSON.stringify({ data: [{ revised_prompt: '"b64_json":"aGVsbG8="' }] });
  expect(read(text, [20, 30])).toEqual([{ revised_prompt: '"b64_json":"aGVsbG8="' }]);
});

import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPngHeader } from './png-header.ts';
import { sharp } from './sharp.ts';

const MOST_PIXELS = 34_000_000;
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

function chunk(type: string, data: Uint8Array): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(typed), 4);
  return Buffer.concat([frame.subarray(0, 4), typed, frame.subarray(4)]);
}

function header(width: number, height: number, rest: readonly number[]): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data.set(rest, 8);
  return chunk('IHDR', data);
}

const PIXELS = [chunk('IDAT', deflateSync(Buffer.alloc(100))), chunk('IEND', Buffer.alloc(0))];

/** What sharp says of the same bytes; null when it refuses them. */
async function ask(bytes: Buffer) {
  const options = { limitInputPixels: MOST_PIXELS, failOn: 'error', sequentialRead: true } as const;
  const found = await sharp(bytes, options)
    .metadata()
    .catch(() => null);
  return found === null ? null : { width: found.width, height: found.height, hasAlpha: found.hasAlpha };
}

test.each([
  ['grey', (image: ReturnType<typeof sharp>) => image.toColourspace('b-w')],
  ['true colour', (image: ReturnType<typeof sharp>) => image.removeAlpha()],
  ['with alpha', (image: ReturnType<typeof sharp>) => image.ensureAlpha(0.5)],
  ['of 16 bits', (image: ReturnType<typeof sharp>) => image.toColourspace('rgb16')],
])('a picture in %s is read, and as sharp reads it', async (_, make) => {
  const picture = sharp({ create: { width: 37, height: 11, channels: 3, background: '#123' } });
  const bytes = await make(picture).png().toBuffer();
  expect(readPngHeader(bytes, MOST_PIXELS)).not.toBeNull();
  expect(readPngHeader(bytes, MOST_PIXELS)).toEqual(await ask(bytes));
});

describe('whatever it says, sharp says the same', () => {
  const anyType = fc.constantFrom(
    'tEXt',
    'pHYs',
    'gAMA',
    'sRGB',
    'tIME',
    'caBX',
    'tRNS',
    'acTL',
    'PLTE',
    'iCCP',
    'abCd',
  );
  const anyChunk = fc.tuple(anyType, fc.uint8Array({ maxLength: 40 })).map(([type, data]) => chunk(type, data));
  const anySide = fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.nat(2 ** 32 - 1));
  const anyRest = fc.tuple(
    fc.constantFrom(0, 1, 2, 4, 8, 16, 32),
    fc.constantFrom(0, 1, 2, 3, 4, 6),
    ...[1, 1, 2].map((most) => fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(most))),
  );

  test('of any header and any chunks before the pixels', async () => {
    let read = 0;
    await fc.assert(
      fc.asyncProperty(
        anySide,
        anySide,
        anyRest,
        fc.array(anyChunk, { maxLength: 3 }),
        async (width, height, rest, chunks) => {
          const bytes = Buffer.concat([SIGNATURE, header(width, height, rest), ...chunks, ...PIXELS]);
          const found = readPngHeader(bytes, MOST_PIXELS);
          if (found === null) return;
          read += 1;
          expect(found).toEqual(await ask(bytes));
        },
      ),
      { numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(50);
  });

  test('of a picture that is damaged or cut off anywhere', async () => {
    const whole = await sharp({ create: { width: 20, height: 20, channels: 4, background: '#123' } })
      .png()
      .withMetadata({ density: 72 })
      .toBuffer();
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), fc.nat(whole.length - 1), fc.nat(255), async (length, at, value) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        const damaged = bytes.subarray(0, length);
        const found = readPngHeader(damaged, MOST_PIXELS);
        if (found !== null) expect(found).toEqual(await ask(damaged));
      }),
      { numRuns: 1_000 },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeAnswer, encodeAnswer, type SpooledAnswer, SpoolFormatError } from './spool-file.ts';

const ANSWER: SpooledAnswer = {
  jobId: 'job_01kb4xwqf7c0v3m8r5y2d9tz6n-17',
  call: 3,
  seq: 2,
  answeredAt: 1_795_340_334_000,
  about: { facts: { costMicroUsd: 5 }, images: 3 },
  images: [
    { index: 4, revisedPrompt: null, bytes: Buffer.from('first\nimage') },
    { index: 6, revisedPrompt: 'a “white” cat\n', bytes: Buffer.from([0, 255, 10, 13]) },
  ],
};

function fileOf(answer: SpooledAnswer): Buffer {
  return Buffer.concat(encodeAnswer(answer));
}

describe('a spooled answer', () => {
  test('comes back as it was written, whatever its bytes are', () => {
    const images = fc.array(
      fc.record({
        index: fc.nat(9_999),
        revisedPrompt: fc.option(fc.string({ unit: 'binary' })),
        bytes: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      }),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(images, (many) => {
        expect(decodeAnswer(fileOf({ ...ANSWER, images: many }))).toEqual({ ...ANSWER, images: many });
      }),
    );
  });

  test('cut short anywhere is refused', () => {
    const file = fileOf(ANSWER);
    for (let length = 0; length < file.length; length += 1) {
      expect(() => decodeAnswer(file.subarray(0, length)), `${length} bytes`).toThrow(SpoolFormatError);
    }
  });

  test('with one bit of an image changed is refused, and so is one with more bytes', () => {
    const file = fileOf(ANSWER);
    const changed = Buffer.from(file);
    changed[file.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    expect(() => decodeAnswer(changed)).toThrow('not what was written');
    expect(() => decodeAnswer(Buffer.concat([file, Buffer.from('x')]))).toThrow(SpoolFormatError);
  });

  test.each(['', '\n', '{}\n', 'a picture\n', '{"version":2}\n'])('is not %j', (text) => {
    expect(() => decodeAnswer(Buffer.from(text))).toThrow(SpoolFormatError);
  });
});

import { describe, expect, it } from 'vitest';
import { toFilename } from './upload.ts';

describe('toFilename', () => {
  it.each([
    ['cats.jsonl', 'cats.jsonl'],
    ['größe – 猫 👩‍🚀.jsonl', 'größe – 猫 👩‍🚀.jsonl'],
    ['/etc/passwd', 'passwd'],
    ['..\\..\\x.jsonl', 'x.jsonl'],
    ['a\r\nset-cookie: b', 'aset-cookie: b'],
    ['a\u2028b\0c\u007F', 'abc'],
    ['exe.\u202Etxt', 'exe.txt'],
    ['  x  ', 'x'],
    ['lone \uD800', 'lone \uFFFD'],
    ['', 'upload'],
    ['   ', 'upload'],
    ['x/', 'upload'],
    [undefined, 'upload'],
  ])('makes of %j %j', (given, expected) => {
    expect(toFilename(given)).toBe(expected);
  });

  it('cuts after 255 characters, never within one', () => {
    expect(toFilename('🐈'.repeat(300))).toBe('🐈'.repeat(255));
  });
});

import { describe, expect, it } from 'vitest';
import { readIdempotency } from './idempotency.ts';

describe('readIdempotency', () => {
  it('is null without the header', () => {
    expect(readIdempotency(undefined, 'f')).toBeNull();
  });

  it.each(['', 'a b', 'ä', 'x'.repeat(256), 'a\u007f'])('refuses the key %j', (key) => {
    expect(() => readIdempotency(key, 'f')).toThrow(/1 to 255 visible ASCII/);
  });

  it('does not keep the key', () => {
    expect(readIdempotency('my-key', 'f')).toEqual({
      keyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      fingerprint: 'f',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { maskKey } from './auth.ts';

describe('maskKey', () => {
  it.each([
    ['dk_0123456789abcdef', 'dk_****…cdef'],
    ['sk-proj-0123456789abcdef', '****…cdef'],
    ['0123456789abc<"&', '****…c***'],
    ['short', '****'],
    ['dk_123456789012', '****'],
  ])('shows of %s only %s', (key, masked) => {
    expect(maskKey(key)).toBe(masked);
  });
});

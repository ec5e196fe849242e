import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, readIdempotency } from './idempotency.ts';

describe('readIdempotency', () => {
  it('is null without the header', () => {
    expect(readIdempotency(undefined, 'r', {})).toBeNull();
  });

  it.each(['', 'a b', 'ä', 'x'.repeat(256), 'a\u007f'])('refuses the key %j', (key) => {
    expect(() => readIdempotency(key, 'r', {})).toThrow(/1 to 255 visible ASCII/);
  });

  it('keeps neither key nor body', () => {
    expect(JSON.stringify(readIdempotency('my-key', 'r', { prompt: 'a cat' }))).not.toMatch(/my-key|cat/);
  });

  it('has another fingerprint for another route or body, the same for the same meaning', () => {
    const fingerprint = (route: string, body: unknown) => readIdempotency('k', route, body)?.fingerprint;
    const base = fingerprint('r', { a: 1, b: { c: [1, 2] } });
    expect(fingerprint('r', { b: { c: [1, 2], d: null }, a: 1 })).toBe(base);
    expect(fingerprint('other', { a: 1, b: { c: [1, 2] } })).not.toBe(base);
    expect(fingerprint('r', { a: 1, b: { c: [2, 1] } })).not.toBe(base);
    expect(fingerprint('r', { a: '1', b: { c: [1, 2] } })).not.toBe(base);
  });
});

describe('canonicalJson', () => {
  it('does not depend on the order of keys, and means the same', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(fc.integer(), fc.string(), fc.boolean())), (fields) => {
        const turned = Object.fromEntries(Object.entries(fields).toReversed());
        expect(canonicalJson(turned)).toBe(canonicalJson(fields));
        expect(JSON.parse(canonicalJson(fields))).toEqual(JSON.parse(JSON.stringify(fields)));
      }),
    );
  });
});

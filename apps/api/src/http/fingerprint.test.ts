import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, fingerprintOf } from './fingerprint.ts';

describe('fingerprintOf', () => {
  it('is another for another route or body, the same for the same meaning', () => {
    const base = fingerprintOf('r', { a: 1, b: { c: [1, 2] } });
    expect(fingerprintOf('r', { b: { c: [1, 2], d: null }, a: 1 })).toBe(base);
    expect(fingerprintOf('other', { a: 1, b: { c: [1, 2] } })).not.toBe(base);
    expect(fingerprintOf('r', { a: 1, b: { c: [2, 1] } })).not.toBe(base);
    expect(fingerprintOf('r', { a: '1', b: { c: [1, 2] } })).not.toBe(base);
  });

  it('is another for other files, or files in other roles', () => {
    const files = { images: ['1', '2'], mask: '3', markup: null };
    const base = fingerprintOf('r', {}, files);
    expect(fingerprintOf('r', {}, { ...files })).toBe(base);
    const others = [null, { ...files, images: ['2', '1'] }, { ...files, mask: null, markup: '3' }];
    for (const other of others) expect(fingerprintOf('r', {}, other)).not.toBe(base);
  });

  it('keeps nothing of the body', () => {
    expect(fingerprintOf('r', { prompt: 'a cat' })).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('canonicalJson', () => {
  it('does not depend on the order of keys, and means the same', () => {
    const values = fc.dictionary(fc.string(), fc.oneof(fc.jsonValue(), fc.integer(), fc.constant(undefined)));
    fc.assert(
      fc.property(values, (fields) => {
        const turned = Object.fromEntries(Object.entries(fields).toReversed());
        expect(canonicalJson(turned)).toBe(canonicalJson(fields));
        expect(JSON.parse(canonicalJson(fields))).toEqual(withoutNulls(JSON.parse(JSON.stringify(fields))));
      }),
    );
  });
});

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== null);
  return Object.fromEntries(fields.map(([name, field]) => [name, withoutNulls(field)]));
}

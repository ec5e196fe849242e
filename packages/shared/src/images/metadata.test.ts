import { assert, property, string } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertContentType, decodeValue, encodeValue, toMetadata } from './metadata.ts';

describe('metadata', () => {
  test('has names every proxy lets through', () => {
    expect(toMetadata({ Cost_USD: '0.04', model: 'gpt-image-2', 'ä b': 'x' })).toEqual({
      'cost-usd': '0.04',
      model: 'gpt-image-2',
      '--b': 'x',
    });
    expect(toMetadata()).toEqual({});
  });

  test('is cut at a whole pair before it outgrows S3', () => {
    const kept = toMetadata({ a: 'x'.repeat(1_000), b: 'x'.repeat(990), c: 'x'.repeat(20), d: '' });
    expect(Object.keys(kept)).toEqual(['a', 'b']);
    expect(Object.keys(toMetadata({ a: 'ä'.repeat(400) }))).toEqual([]);
  });

  test('values travel as visible ASCII and come back as they were', () => {
    expect(encodeValue('1024x1024')).toBe('1024x1024');
    expect(encodeValue(' 100% ä\n')).toBe('%20100%25%20%C3%A4%0A');
    assert(
      property(string({ unit: 'binary' }), (value) => {
        expect(encodeValue(value)).toMatch(/^[!-~]*$/);
        expect(decodeValue(encodeValue(value))).toBe(value.toWellFormed());
      }),
    );
  });

  test('a value that was never encoded is given back as it is', () => expect(decodeValue('100%')).toBe('100%'));
});

describe('a content type', () => {
  test.each(['image/png', 'image/svg+xml', 'text/plain; charset=utf-8', 'application/x.y-z'])('%j is one', (text) => {
    expect(() => assertContentType(text)).not.toThrow();
  });
  test.each(['', 'png', 'image/', 'image/png\r\nx: y', 'image/png, text/html', 'ä/b'])('%j is none', (text) => {
    expect(() => assertContentType(text)).toThrow(TypeError);
  });
});

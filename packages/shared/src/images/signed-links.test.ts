import { describe, expect, test } from 'vitest';
import { signImageUrl, verifyImageLink } from './signed-links.ts';

const SECRET = 'a secret of this test';
const ID = 'img_01kabcdefghijklmnopqrstuvw_0';

function signed(publicUrl = 'https://darkroom.example') {
  const url = new URL(signImageUrl({ publicUrl, imageId: ID, secret: SECRET, expiresAtSeconds: 2_000 }));
  return { url, exp: url.searchParams.get('exp') ?? '', sig: url.searchParams.get('sig') ?? '' };
}

const verify = (change: Partial<Parameters<typeof verifyImageLink>[0]> = {}) => {
  const { exp, sig } = signed();
  return verifyImageLink({ imageId: ID, exp, sig, secret: SECRET, nowSeconds: 1_000, ...change });
};

describe('a signed link', () => {
  test('lies under the public URL', () => {
    expect(signed().url.href).toMatch(
      /^https:\/\/darkroom\.example\/v1\/images\/img_\w+\/content\?exp=2000&sig=[\w-]{43}$/,
    );
    expect(signed('https://host/base//').url.pathname).toBe(`/base/v1/images/${ID}/content`);
  });

  test('is valid until it expires', () => {
    expect(verify()).toBe('valid');
    expect(verify({ nowSeconds: 1_999 })).toBe('valid');
    expect(verify({ nowSeconds: 2_000 })).toBe('expired');
  });

  test('is for one image, one expiry and one secret', () => {
    const { sig } = signed();
    expect(verify({ imageId: `${ID}1` })).toBe('invalid');
    expect(verify({ exp: '2001' })).toBe('invalid');
    expect(verify({ exp: '99999999999' })).toBe('invalid');
    expect(verify({ secret: 'another' })).toBe('invalid');
    expect(verify({ secret: '' })).toBe('invalid');
    for (const other of ['', sig.slice(1), `${sig}=`, `${sig}A`, sig.toLowerCase(), `ä${sig.slice(2)}`]) {
      expect(verify({ sig: other })).toBe('invalid');
    }
  });

  test('every single changed character is noticed', () => {
    const { sig } = signed();
    for (let at = 0; at < sig.length; at += 1) {
      const other = sig[at] === 'A' ? 'B' : 'A';
      expect(verify({ sig: sig.slice(0, at) + other + sig.slice(at + 1) })).toBe('invalid');
    }
  });

  test.each(['', '02000', '2000.0', '2e3', ' 2000', '-1', 'Infinity', '١'])('an expiry of %j is invalid', (exp) => {
    expect(verify({ exp })).toBe('invalid');
  });

  test('image and expiry cannot be shifted into one another', () => {
    const url = signImageUrl({ publicUrl: 'http://x', imageId: 'img_1', secret: SECRET, expiresAtSeconds: 22 });
    const sig = new URL(url).searchParams.get('sig') ?? '';
    expect(verifyImageLink({ imageId: 'img_12', exp: '2', sig, secret: SECRET, nowSeconds: 1 })).toBe('invalid');
  });

  test('is not made without a secret or with a time that is none', () => {
    const options = { publicUrl: 'http://x', imageId: ID, secret: SECRET, expiresAtSeconds: 5 };
    expect(() => signImageUrl({ ...options, secret: '' })).toThrow(TypeError);
    for (const expiresAtSeconds of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => signImageUrl({ ...options, expiresAtSeconds })).toThrow(TypeError);
    }
  });
});

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ServiceError } from '../base/errors.ts';
import { bytesOfDataUrl } from './data-url.ts';

async function decode(dataUrl: string): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(bytesOfDataUrl('images[0].image_url', dataUrl)));
}

const REFUSED = { code: 'invalid_image_url', status: 400, param: 'images[0].image_url' };

describe('a data URL', () => {
  test.each([
    ['data:image/png;base64,aGFsbG8=', 'hallo'],
    ['data:;base64,aGFsbG8=', 'hallo'],
    ['data:text/plain;charset=utf-8;base64,aGFsbG8h', 'hallo!'],
    ['DATA:IMAGE/PNG;BASE64,aGFsbA==', 'hall'],
    ['data:image/png;base64,', ''],
  ])('%s is %j', async (dataUrl, expected) => expect((await decode(dataUrl)).toString()).toBe(expected));

  test.each([
    ['', 'nothing'],
    ['data:image/png,aGFsbG8=', 'no base64'],
    ['data:image/png;base64', 'no comma'],
    ['data:image/png;base64 ,aGFsbG8=', 'a space'],
    ['data:image/png;base64,aGFsbG8', 'no padding'],
    ['data:image/png;base64,aGFsbG8= ', 'a space behind'],
    ['data:image/png;base64,aGFs\nbG8=', 'a line break'],
    ['data:image/png;base64,aGFs-_8=', 'the alphabet of URLs'],
    ['data:image/png;base64,aG=sbG8=', 'padding in the middle'],
    ['data:image/png;base64,a===', 'three times padding'],
    ['data:image/png;base64,aGFsbG8%3D', 'percent signs'],
    [`data:${'x'.repeat(300)};base64,aGFsbG8=`, 'an endless type'],
    ['https://example.com/a.png', 'another URL'],
  ])('%s is refused: %s', async (dataUrl) => {
    await expect(decode(dataUrl)).rejects.toMatchObject(REFUSED);
  });

  test('may have 20,971,520 characters and no more', async () => {
    const header = 'data:;base64,';
    const room = Math.floor((20_971_520 - header.length) / 4) * 4;
    expect(await decode(header + 'A'.repeat(room))).toHaveLength((room / 4) * 3);
    await expect(decode(header + 'A'.repeat(room + 4))).rejects.toMatchObject(REFUSED);
  });

  test('any bytes come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), async (bytes) => {
        const decoded = await decode(`data:image/png;base64,${Buffer.from(bytes).toString('base64')}`);
        expect(decoded.equals(bytes)).toBe(true);
      }),
    );
  });

  test('whatever it is, nothing but a ServiceError is thrown', async () => {
    const garbage = fc.tuple(fc.constantFrom('', 'data:', 'data:;base64,', 'data:image/png;base64,'), fc.string());
    await fc.assert(
      fc.asyncProperty(garbage, async ([start, rest]) => {
        const error: unknown = await decode(start + rest).then(
          () => null,
          (failure: unknown) => failure,
        );
        expect(error === null || (error instanceof ServiceError && error.code === 'invalid_image_url')).toBe(true);
      }),
    );
  });
});

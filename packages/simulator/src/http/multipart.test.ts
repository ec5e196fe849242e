import { describe, expect, test } from 'vitest';
import { boundaryOf, MultipartError, parseMultipart } from './multipart.ts';

test.each([
  ['multipart/form-data; boundary=abc', 'abc'],
  ['multipart/form-data; charset=utf-8; boundary="a b"', 'a b'],
  ['Multipart/Form-Data;boundary=----x', '----x'],
  ['application/json', null],
  [undefined, null],
])('the boundary of %j is %j', (type, boundary) => {
  expect(boundaryOf(type)).toBe(boundary);
});

describe('bodies', () => {
  test('what the platform writes is read back, bytes and all', async () => {
    const binary = Buffer.from(Array.from({ length: 512 }, (_, at) => at % 256));
    const form = new FormData();
    form.append('prompt', 'a "quoted" ü\r\n--not-a-boundary');
    form.append('image[]', new Blob([binary], { type: 'image/png' }), 'one "1".png');
    form.append('image[]', new Blob([]), 'empty.bin');
    const request = new Request('http://x', { method: 'POST', body: form });
    const boundary = boundaryOf(request.headers.get('content-type') ?? '') ?? '';
    const parts = parseMultipart(Buffer.from(await request.arrayBuffer()), boundary);
    expect(parts.map(({ name, filename, contentType }) => [name, filename, contentType])).toEqual([
      ['prompt', null, null],
      ['image[]', 'one "1".png', 'image/png'],
      ['image[]', 'empty.bin', 'application/octet-stream'],
    ]);
    expect(parts[0]?.data.toString()).toBe('a "quoted" ü\r\n--not-a-boundary');
    expect(parts[1]?.data.equals(binary)).toBe(true);
    expect(parts[2]?.data.length).toBe(0);
  });

  test('an empty form has no parts', () => {
    expect(parseMultipart(Buffer.from('--b--\r\n'), 'b')).toEqual([]);
  });

  test.each([
    ['', 'not in the body'],
    ['--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1', 'ends before'],
    ['--b\r\nno header\r\n--b--', 'no header block'],
    ['--b\r\ncontent-type: text/plain\r\n\r\n1\r\n--b--', 'no name'],
  ])('%j is refused', (body, reason) => {
    expect(() => parseMultipart(Buffer.from(body), 'b')).toThrow(reason);
    expect(() => parseMultipart(Buffer.from(body), 'b')).toThrow(MultipartError);
  });

  test('the number of parts is bounded', () => {
    const part = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n';
    expect(() => parseMultipart(Buffer.from(`${part.repeat(3)}--b--`), 'b', 2)).toThrow('more than 2 parts');
  });
});

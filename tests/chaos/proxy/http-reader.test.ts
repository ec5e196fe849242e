import { describe, expect, test } from 'vitest';
import { HttpReader, type Piece } from './http-reader.ts';

const PUT = 'PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello';
const GET = 'GET /b HTTP/1.1\r\nhost: x\r\n\r\n';
const CHUNKED =
  'POST /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe\r\nl\r\n3;x=y\r\nabc\r\n0\r\nchecksum: 1\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: req_1\r\n\r\nhi';
const ENDLESS = 'HTTP/1.1 200 OK\r\n\r\nuntil it closes';

function read(stream: string, step: number, hasNoBody: (line: string) => boolean = () => false): Piece[] {
  const reader = new HttpReader(hasNoBody);
  const bytes = Buffer.from(stream);
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(...reader.feed(bytes.subarray(at, at + step)));
  return pieces;
}

function messagesOf(pieces: readonly Piece[]): string[] {
  const messages: string[] = [''];
  for (const { bytes, isLast } of pieces) {
    messages.push(`${messages.pop()}${bytes.toString()}`);
    if (isLast) messages.push('');
  }
  return messages.filter((message) => message !== '');
}

describe.each([1, 3, 7, 1_000])('a stream that comes by %i bytes', (step) => {
  test('falls into its requests: none, one by length, one by chunks with a trailer', () => {
    expect(messagesOf(read(PUT + GET + CHUNKED + GET, step))).toEqual([PUT, GET, CHUNKED, GET]);
  });

  test('of replies knows which have no body', () => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n';
    expect(messagesOf(read(head + head, step, () => true))).toEqual([head, head]);
  });

  test('that only its end ends has no last piece', () => {
    const pieces = read(ENDLESS, step);
    expect(pieces.some(({ isLast }) => isLast)).toBe(false);
    expect(pieces.map(({ bytes }) => bytes.toString()).join('')).toBe(ENDLESS);
  });
});

test('a piece knows its message and its place', () => {
  const [head, body] = read(OK, 1_000);
  expect([head?.part, head?.message.startLine, head?.message.headers.get('x-request-id')]).toEqual([
    'head',
    'HTTP/1.1 200 OK',
    'req_1',
  ]);
  expect([body?.part, body?.at, body?.message.length, body?.isLast]).toEqual(['body', 0, 2, true]);
});

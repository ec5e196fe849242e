import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPush, RespReader, wordsOf } from './resp.ts';

/** A command as clients send it. */
function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;
}

const FRAMES = [
  '+OK\r\n',
  '-NOSCRIPT no such script\r\n',
  ':42\r\n',
  '$5\r\nab\r\nc\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '_\r\n',
  ',1.5\r\n',
  '#t\r\n',
  '*3\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n$-1\r\n',
  '%1\r\n+server\r\n$5\r\nredis\r\n',
  '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n',
  command('EVALSHA', 'abc', '1', '{darkroom}:job:x', 'ü'),
];

test('frames of every type come out as they went in, however the stream was cut', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...FRAMES), { maxLength: 12 }), fc.array(fc.nat(400)), (frames, cuts) => {
      const stream = Buffer.from(frames.join(''));
      const reader = new RespReader();
      const ends = [...new Set([0, ...cuts.filter((cut) => cut < stream.length), stream.length])].toSorted(
        (a, b) => a - b,
      );
      const read = ends.flatMap((end, at) => reader.feed(stream.subarray(ends[at - 1] ?? 0, end)));
      expect(read.map(String)).toEqual(frames);
      expect(reader.takeRest()).toHaveLength(0);
    }),
  );
});

test('a frame that is not whole waits', () => {
  const reader = new RespReader();
  expect(reader.feed(Buffer.from('*2\r\n$3\r\nGET\r\n$1'))).toEqual([]);
  expect(reader.feed(Buffer.from('\r\na\r\n+O')).map(String)).toEqual([command('GET', 'a')]);
  expect(String(reader.takeRest())).toBe('+O');
});

describe('a frame', () => {
  test('of a command has words', () => {
    expect(wordsOf(Buffer.from(command('SET', 'key', 'a\r\nb', '')))).toEqual(['SET', 'key', 'a\r\nb', '']);
  });

  test('is a push or an answer', () => {
    expect(FRAMES.filter((frame) => isPush(Buffer.from(frame)))).toEqual([
      '>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n',
    ]);
  });

  test('of another protocol is refused', () => {
    expect(() => new RespReader().feed(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow('not RESP');
  });
});

import { describe, expect, it } from 'vitest';
import { PING, toFrame, toIdFrame, toRetryFrame } from './sse.ts';

describe('a frame', () => {
  it.each([
    ['one line', 'a', 'data: a\n'],
    ['no text', '', 'data: \n'],
    ['two lines', 'a\nb', 'data: a\ndata: b\n'],
    ['lines of other systems', 'a\r\nb\rc', 'data: a\ndata: b\ndata: c\n'],
    ['an empty line at the end', 'a\n', 'data: a\ndata: \n'],
    ['what looks like a field', 'id: 9\n\nevent: x', 'data: id: 9\ndata: \ndata: event: x\n'],
  ])('holds %s', (_what, data, lines) => {
    expect(toFrame({ id: '1-0', event: 'job.failed', data })).toBe(`id: 1-0\nevent: job.failed\n${lines}\n`);
  });

  it('holds JSON in one line, whatever is in it', () => {
    const frame = toFrame({ id: '1-0', event: 'x', data: JSON.stringify({ text: 'a\nb\r\u2028c' }) });
    expect(frame.split('\n')).toHaveLength(5);
  });
});

describe('what is no event', () => {
  it('is a comment, an id without data, or a time from 1 to 3 s', () => {
    expect(PING).toBe(': ping\n\n');
    expect(toIdFrame('7-0')).toBe('id: 7-0\n\n');
    for (let round = 0; round < 100; round += 1) {
      const ms = Number(/^retry: (\d+)\n\n$/.exec(toRetryFrame())?.[1]);
      expect(ms).toBeGreaterThanOrEqual(1_000);
      expect(ms).toBeLessThan(3_000);
    }
  });
});

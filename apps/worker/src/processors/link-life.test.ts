import { expect, test } from 'vitest';
import { linksOf, linkUntil } from './link-life.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const HOUR_MS = 3_600_000;

test.each<[string, string, number]>([
  ['says its end itself', 'https://a.test/1.png?sv=2024&se=2026-11-22T14%3A00%3A00Z&sig=x', NOW + 2 * HOUR_MS],
  ['says that it never ends', 'https://a.test/1.png?se=2999-01-01T00%3A00%3A00Z', NOW + 24 * HOUR_MS],
  ['says nothing', 'https://a.test/1.png', NOW + HOUR_MS],
  ['says what is no time', 'https://a.test/1.png?se=soon', NOW + HOUR_MS],
  ['is no URL', 'nonsense', NOW + HOUR_MS],
])('a link that %s', (_, url, until) => {
  expect(linkUntil(url, NOW)).toBe(until);
});

test('an answer’s links hold as long as the longest of them, in the order of its images', () => {
  const [short, long] = ['https://a.test/1?se=2026-11-22T12:10:00Z', 'https://a.test/2'];
  const images = [
    { kind: 'url', url: short, revisedPrompt: 'improved' },
    { kind: 'bytes', bytes: Buffer.alloc(1), revisedPrompt: null },
    { kind: 'url', url: long, revisedPrompt: null },
  ] as const;
  expect(linksOf(images, NOW)).toEqual({
    until: NOW + HOUR_MS,
    host: null,
    links: [short, null, long],
    revisedPrompts: ['improved', null, null],
    images: 3,
  });
});

test('an answer of bytes has none', () => {
  expect(linksOf([{ kind: 'bytes', bytes: Buffer.alloc(1), revisedPrompt: null }], NOW)).toBeNull();
});

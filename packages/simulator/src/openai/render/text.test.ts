import { describe, expect, test } from 'vitest';
import { mix } from './palettes.ts';
import { randomFrom } from './random.ts';
import { drawScene } from './scenes.ts';
import { measureText, textPath, wrapText } from './text.ts';

describe('text', () => {
  test.each(['gpt-image-2 · 1024 × 1024 · high', 'Привет', 'Ελλάδα đẹp', '一只白猫 🐈', ''])(
    '%s becomes a clean path',
    (text) => {
      const path = textPath(text, 12.34, 980.5, 20.992, 400);
      expect(path).not.toMatch(/NaN|undefined|e/);
      expect(path === '').toBe(text === '');
    },
  );

  test('lines fit, and what does not fit ends in an ellipsis', () => {
    const lines = wrapText('word '.repeat(200), 300, 20, 600, 3);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/…$/);
    for (const line of lines) expect(measureText(line, 20, 600)).toBeLessThanOrEqual(300);
  });

  test('a word wider than a line is cut, wide scripts break anywhere, short text stays', () => {
    expect(wrapText('x'.repeat(100), 100, 20, 600, 2)[0]).toMatch(/^x+…$/);
    expect(wrapText('一只白色的暹罗猫坐在窗前', 100, 20, 600, 3)).toHaveLength(2);
    expect(wrapText('  two\n words ', 300, 20, 600, 3)).toEqual(['two words']);
  });
});

test('a seed always gives the same numbers, within 0..1', () => {
  const first = randomFrom('a');
  const again = randomFrom('a');
  const numbers = Array.from({ length: 200 }, () => first.next());
  expect(Array.from({ length: 200 }, () => again.next())).toEqual(numbers);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  expect(numbers[0]).not.toBe(randomFrom('b').next());
});

test('colours mix', () => {
  expect([mix('#000000', '#ff8000', 0), mix('#000000', '#ff8000', 0.5)]).toEqual(['#000000', '#804000']);
});

test.each(['a boat on the sea', 'city at night', 'desert', 'abstract', 'forest', 'x', 'y', 'z'])(
  'the scene of "%s" is clean SVG',
  (prompt) => {
    expect(drawScene(prompt, 0, 1536, 1024)).not.toMatch(/NaN|undefined|Infinity/);
    expect(drawScene(prompt, 0, 512, 512)).toBe(drawScene(prompt, 0, 512, 512));
    expect(drawScene(prompt, 1, 512, 512)).not.toBe(drawScene(prompt, 0, 512, 512));
  },
);

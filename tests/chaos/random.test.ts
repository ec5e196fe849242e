import { expect, test } from 'vitest';
import { buildRandom } from './random.ts';

const numbers = (seed: number): number[] => {
  const random = buildRandom(seed);
  return Array.from({ length: 50 }, () => random.next());
};

test('the same seed gives the same numbers, another seed others', () => {
  expect(numbers(7)).toEqual(numbers(7));
  expect(numbers(7)).not.toEqual(numbers(8));
});

test('numbers are spread over 0 to 1', () => {
  const thousand = Array.from({ length: 20 }, (_, seed) => numbers(seed)).flat();
  const mean = thousand.reduce((sum, one) => sum + one, 0) / thousand.length;
  expect(Math.min(...thousand)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...thousand)).toBeLessThan(1);
  expect(mean).toBeCloseTo(0.5, 1);
});

test('a fork goes its own way, whatever was thrown before it was made', () => {
  const [one, other] = [buildRandom(7), buildRandom(7)];
  other.next();
  expect(one.fork('jobs').next()).toBe(other.fork('jobs').next());
  expect(one.fork('jobs').next()).not.toBe(one.fork('acts').next());
});

test('a shuffled list has the same members', () => {
  const list = Array.from({ length: 30 }, (_, at) => at);
  const shuffled = buildRandom(3).shuffle(list);
  expect(shuffled).not.toEqual(list);
  expect(shuffled.toSorted((a, b) => a - b)).toEqual(list);
});

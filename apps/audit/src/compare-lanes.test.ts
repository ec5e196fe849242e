import { expect, test } from 'vitest';
import { compareLanes } from './compare-lanes.ts';

test.each([
  [
    'the same',
    [
      ['a', 2],
      ['a me', 2],
    ],
    [
      ['a', 2],
      ['a me', 2],
    ],
    [],
  ],
  [
    'nothing counted as 0',
    [
      ['a', 0],
      ['a me', 0],
    ],
    [],
    [],
  ],
  ['another lane', [], [['b', 1]], []],
  [
    'too many in all',
    [
      ['a', 3],
      ['a me', 2],
    ],
    [
      ['a', 2],
      ['a me', 2],
    ],
    ['all accounts: 3 are counted, 2 are open'],
  ],
  [
    'an account without a count',
    [['a', 1]],
    [
      ['a', 1],
      ['a me', 1],
    ],
    ['account me: 0 are counted, 1 are open'],
  ],
] as const)('a lane’s count of open calls: %s', (_, books, jobs, expected) => {
  const found = compareLanes('a', new Map(books), new Map(jobs));
  expect(found.map(({ detail }) => detail)).toEqual(expected);
});

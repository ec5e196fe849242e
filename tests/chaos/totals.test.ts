import { expect, test } from 'vitest';
import type { Run } from './run-plan.ts';
import { openTotals } from './totals.ts';

function run(seconds: number, billed: number, met: number): Run {
  return {
    seconds,
    findings: { figures: { 'images billed': billed }, violations: [] },
    played: { hits: new Map([['worker: item taken', 1]]), felt: new Map([['redis killed', met]]) },
  } as unknown as Run;
}

test('figures are summed, and a fault that was not met is named with the number of runs', () => {
  const totals = openTotals();
  for (const one of [run(60, 5, 3), run(50, 6, 0), run(70, 7, 2)]) totals.add(one);
  const table = totals.toTable().replaceAll(/ +/g, ' ');
  expect(table).toContain('3 runs, 50 to 70 s, median 60 s');
  expect(table).toContain('images billed 18');
  expect(table).toContain('worker: item taken 3 of 3, 3 times\n');
  expect(table).toContain('redis killed 2 of 3, 5 times, not in 1');
});

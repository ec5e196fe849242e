import { expect, test } from 'vitest';
import { toPublicModel } from './public-model.ts';
import { findModel } from './rules.ts';

const rulesOf = (id: string) => findModel(id) ?? expect.fail(`no rules of ${id}`);

test.each([
  ['gpt-image-2', '2027-03-01', '2026-11-22', 'deprecated', '2027-03-01'],
  ['gpt-image-2', '2027-03-01', '2027-03-01', 'retired', '2027-03-01'],
  ['gpt-image-1.5', '2027-02-01', '2026-12-01', 'deprecated', '2027-02-01'],
  ['gpt-image-1.5', '2026-11-25', '2026-11-25', 'retired', '2026-11-25'],
  ['gpt-image-1', '2036-01-01', '2026-11-22', 'retired', '2026-10-23'],
])('%s, told to shut down on %s, is at %s shown as %s with %s', (id, date, now, status, shutdownDate) => {
  const learned = { retired: new Set<string>(), shutdownDates: new Map([[id, date]]) };
  const shown = toPublicModel(rulesOf(id), Date.parse(now), learned);
  expect(shown).toMatchObject({ status, shutdown_date: shutdownDate });
});

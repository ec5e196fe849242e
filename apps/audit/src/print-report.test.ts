import { expect, test } from 'vitest';
import { toText } from './print-report.ts';
import { ReportBook } from './report.ts';

test('a report is a table by kind, the first findings, the money and what was looked at', async () => {
  const book = new ReportBook({ settleMs: 0, examples: 1 });
  Object.assign(book.looked, { jobs: 3, images: 2, attempts: 4 });
  Object.assign(book.money, { billedMicroUsd: 80_000, unpriced: 1, possibleExtraMicroUsd: 5, unboundedExtra: 0 });
  book.add({ kind: 'file_unrecorded', subject: 'files/a/b', detail: '' });
  for (const index of [0, 1]) book.add({ kind: 'image_missing', subject: 'job_a', detail: `image ${index}` });
  expect(toText(await book.close())).toBe(`         kind             count  what it is
problem  image_missing    2      recorded, but not in storage
note     file_unrecorded  1      bytes of a file without a record; the sweep removes them

image_missing:
  job_a  image 0
  … and 1 more (--all shows them)

file_unrecorded:
  files/a/b

billed $0.080000 and 1 attempts of unknown price, possibly $0.000005 more
3 jobs, 2 images, 4 attempts looked at; 2 problems
`);
});

test('a system in good order is two lines', async () => {
  const report = await new ReportBook({ settleMs: 0, examples: 1 }).close();
  expect(toText(report)).toBe(
    'billed $0.000000, possibly $0.000000 more\n0 jobs, 0 images, 0 attempts looked at; 0 problems\n',
  );
});

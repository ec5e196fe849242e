import { describe, expect, test } from 'vitest';
import type { Finding } from './findings.ts';
import { ReportBook } from './report.ts';

const book = (examples = 10): ReportBook => new ReportBook({ settleMs: 0, examples });
const missing = (index: number): Finding => ({ kind: 'image_missing', subject: 'job_a', detail: `image ${index}` });

describe('a suspicion', () => {
  test('is reported when it is found again', async () => {
    const under = book();
    await under.suspect([missing(0), missing(1)], async () => [missing(1), missing(2)]);
    const { problems, kinds } = await under.close();
    expect(problems).toBe(1);
    expect(kinds.map(({ kind, findings }) => [kind, findings])).toEqual([['image_missing', [missing(1)]]]);
  });

  test('that is over by the second look is not', async () => {
    const under = book();
    await under.suspect([missing(0)], async () => []);
    expect(await under.close()).toMatchObject({ problems: 0, kinds: [] });
  });

  test('costs no second look when there is none', async () => {
    const under = book();
    await under.suspect([], async () => Promise.reject(new Error('looked again')));
    expect((await under.close()).problems).toBe(0);
  });
});

describe('a report', () => {
  test('counts all, shows the first, and counts nothing twice', async () => {
    const under = book(2);
    for (const index of [0, 1, 2, 0]) under.add(missing(index));
    under.add({ kind: 'file_unrecorded', subject: 'files/a/b', detail: '' });
    const { problems, kinds } = await under.close();
    expect(problems).toBe(3);
    expect(kinds.map(({ kind, count, findings }) => [kind, count, findings.length])).toEqual([
      ['image_missing', 3, 2],
      ['file_unrecorded', 1, 1],
    ]);
  });

  test('takes thousands of suspicions', async () => {
    const under = book();
    for (let index = 0; index < 5_000; index += 1)
      await under.suspect([missing(index)], async () => (index % 2 === 0 ? [missing(index)] : []));
    expect((await under.close()).problems).toBe(2_500);
  });
});

import { describe, expect, test } from 'vitest';
import { isEventId } from '../base/ids.ts';
import { MOST_BODY_BYTES, parseOutboxLine, toEventBody, withShortTexts } from './event.ts';

const JOB = 'job_01kb4xwqf7c0v3m8r5y2d9tz6n';

describe('a line of the outbox', () => {
  test('names an event with an id of its own', () => {
    expect(parseOutboxLine(`image.completed ${JOB} 2 7 3`)).toEqual({
      id: 'evt_01kb4xwqf7c0v3m8r5y2d9tz6n_7',
      type: 'image.completed',
      subject: JOB,
      run: 2,
      sequence: 7,
      image: 3,
    });
    expect(parseOutboxLine(`job.failed ${JOB}-50000 1 2 -`)).toMatchObject({ subject: `${JOB}-50000`, image: null });
    expect(parseOutboxLine('batch.completed batch_01kb4xwqf7c0v3m8r5y2d9tz6n 1 2 -')?.id).toMatch(/^evt_01kb/);
  });

  test('gives ids a route takes', () => {
    expect(isEventId(parseOutboxLine(`job.failed ${JOB}-17 1 2 -`)?.id ?? '')).toBe(true);
    expect(isEventId('evt_')).toBe(false);
    expect(isEventId('evt_01kb4xwqf7c0v3m8r5y2d9tz6n_1\n')).toBe(false);
  });

  test.each(['', 'job.failed', `job.failed ${JOB} 1 2`, `job.failed ${JOB} 1 x -`, 'job.failed img_1 1 2 -'])(
    '%j is none',
    (line) => {
      expect(parseOutboxLine(line)).toBeNull();
    },
  );
});

describe('a body', () => {
  const event = { id: 'evt_1', type: 'job.failed', sequence: 4 };
  const data = {
    id: JOB,
    errors: [
      { index: 0, message: 'x'.repeat(100) },
      { index: 1, message: '🐈'.repeat(9_000) },
    ],
    error: { message: 'short' },
    warnings: ['w'.repeat(300)],
  };

  test('holds what happened and when', () => {
    expect(JSON.parse(toEventBody(event, 1_795_340_377_900, () => ({ id: JOB })))).toEqual({
      id: 'evt_1',
      object: 'event',
      type: 'job.failed',
      created_at: 1_795_340_377,
      sequence: 4,
      data: { id: JOB },
    });
  });

  test('is as it is while it is below 20 kB', () => {
    const small = { ...data, errors: data.errors.slice(0, 1) };
    const body = toEventBody(event, 0, (longest) => withShortTexts(small, longest));
    expect(JSON.parse(body)).toMatchObject({ data: small });
  });

  test('has its texts cut when it would be larger, and nothing else', () => {
    const body = toEventBody(event, 0, (longest) => withShortTexts(data, longest));
    expect(Buffer.byteLength(body)).toBeLessThan(MOST_BODY_BYTES);
    const sent = (JSON.parse(body) as { data: typeof data }).data;
    expect(sent.errors.map(({ index }) => index)).toEqual([0, 1]);
    expect(sent.errors[0]).toEqual(data.errors[0]);
    expect(sent.errors[1]?.message).toBe(`${'🐈'.repeat(99)}…`);
    expect(sent.error).toEqual(data.error);
    expect(sent.warnings).toEqual([`${'w'.repeat(199)}…`]);
  });
});

import type { LearnedModels } from '@darkroom/shared/models/learned.ts';
import { describe, expect, test } from 'vitest';
import { deprecationHeaders } from './deprecation-headers.ts';

const NOTHING: LearnedModels = { retired: new Set(), shutdownDates: new Map() };
const told = (id: string, date: string): LearnedModels => ({ ...NOTHING, shutdownDates: new Map([[id, date]]) });
const at = (date: string) => Date.parse(date);

describe('a model with a day of shutdown', () => {
  const december = { deprecation: '@1780358400', sunset: 'Tue, 01 Dec 2026 00:00:00 GMT' };

  test.each([
    ['2026-10-31T23:59:59.999Z', {}],
    ['2026-11-01', december],
    ['2026-11-30T23:59:59.999Z', december],
    ['2026-12-01', december],
    ['2030-01-01', december],
  ])('at %s', (now, headers) => {
    expect(deprecationHeaders('gpt-image-1.5', 'gpt-image-1.5', NOTHING, at(now))).toEqual(headers);
    expect(deprecationHeaders('gpt-image-1.5-2025-12-16', 'gpt-image-1.5-2025-12-16', NOTHING, at(now))).toEqual(
      headers,
    );
  });

  test('announced on the day of the notice', () => {
    expect(new Date(1_780_358_400_000).toISOString()).toBe('2026-06-02T00:00:00.000Z');
  });
});

test('the model asked for counts, not the one it was translated to', () => {
  expect(deprecationHeaders('dall-e-3', 'gpt-image-2.6-flare', NOTHING, at('2026-11-22'))).toEqual({
    deprecation: '@1763078400',
    sunset: 'Tue, 12 May 2026 00:00:00 GMT',
  });
});

test.each([
  ['the default model counts when none was named', null, 'gpt-image-1.5', true],
  ['a live model has no headers', null, 'gpt-image-2.6-flare', false],
  ['an unknown model has no headers', 'my-model', 'my-model', false],
  ['a name of an object member is unknown', 'constructor', 'constructor', false],
])('%s', (_, requested, model, has) => {
  expect(Object.keys(deprecationHeaders(requested, model, NOTHING, at('2026-11-22'))).length > 0).toBe(has);
});

describe('a day the upstream told', () => {
  test('replaces the one in the data, earlier or later', () => {
    const later = told('gpt-image-1.5', '2027-02-01');
    expect(deprecationHeaders('gpt-image-1.5', 'gpt-image-1.5', later, at('2027-01-01'))).toEqual({});
    expect(deprecationHeaders('gpt-image-1.5', 'gpt-image-1.5', later, at('2027-01-02'))).toMatchObject({
      sunset: 'Mon, 01 Feb 2027 00:00:00 GMT',
    });
    const earlier = told('gpt-image-1.5', '2026-11-25');
    expect(deprecationHeaders('gpt-image-1.5', 'gpt-image-1.5', earlier, at('2026-10-26'))).toMatchObject({
      sunset: 'Wed, 25 Nov 2026 00:00:00 GMT',
    });
  });

  test('comes without Deprecation where nobody knows when it was announced', () => {
    expect(
      deprecationHeaders('gpt-image-2', 'gpt-image-2', told('gpt-image-2', '2026-12-22'), at('2026-11-22')),
    ).toEqual({ sunset: 'Tue, 22 Dec 2026 00:00:00 GMT' });
  });
});

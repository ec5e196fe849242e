import { describe, expect, test } from 'vitest';
import type { LearnedModels } from './learned.ts';
import data from './openai.json' with { type: 'json' };
import {
  announcedShutdownOf,
  findModel,
  isDeprecated,
  isRetired,
  LANES,
  laneOf,
  limitNamesOf,
  MODEL_NAMES,
  MODELS,
  nearestNames,
  shutdownDateOf,
} from './rules.ts';
import { dataSchema } from './schema.ts';

const rulesOf = (id: string) => findModel(id) ?? expect.fail(`no rules of ${id}`);
const at = (date: string) => Date.parse(date);

describe('the data', () => {
  test('names every OpenAI image model, dated and sourced', () => {
    expect(MODELS.map(({ id }) => id)).toEqual([
      'dall-e-2',
      'dall-e-3',
      'gpt-image-1',
      'gpt-image-1-mini',
      'gpt-image-1.5',
      'chatgpt-image-latest',
      'gpt-image-2',
      'gpt-image-2.5-sunburst',
      'gpt-image-2.5-flare',
      'gpt-image-2.6-sunburst',
      'gpt-image-2.6-flare',
    ]);
    expect(MODELS.every(({ asOf, source }) => asOf === '2026-11-22' && source.length > 10)).toBe(true);
  });

  const [first, ...others] = data.models;
  test.each([
    ['an unknown field', { ...first, sise: 1 }],
    ['a price of 0', { ...first, prices: { perImage: { standard: { '256x256': 0 } }, perMillionTokens: null } }],
    ['a default outside the values', { ...first, quality: { values: ['standard'], default: 'hd' } }],
    ['a date that is none', { ...first, shutdownDate: '2026-13-01' }],
    ['an id unfit for a queue name', { ...first, id: 'dall:e' }],
    ['a name used twice', { ...first, snapshots: ['dall-e-3'] }],
    ['a retired model without a replacement', { ...first, id: 'dall-e-1' }],
  ])('with %s is refused', (_, changed) => {
    expect(dataSchema.safeParse({ ...data, models: [changed, ...others] }).success).toBe(false);
  });
});

describe('look-up', () => {
  test('a dated snapshot has the rules and the lane of its model', () => {
    expect(rulesOf('gpt-image-2-2026-04-21').id).toBe('gpt-image-2');
    expect(laneOf('gpt-image-2.5-flare-2026-09-08')).toBe('gpt-image-2.5-flare');
  });

  test.each(['gpt-image-9', '', 'constructor', '__proto__'])('%j is unknown and goes to the lane "other"', (id) => {
    expect(findModel(id)).toBeNull();
    expect(laneOf(id)).toBe('other');
    expect(limitNamesOf(id)).toEqual(['other']);
  });

  test('every model has a lane of its own, with a name fit for a queue', () => {
    expect(new Set(LANES).size).toBe(MODELS.length + 1);
    expect(LANES.filter((lane) => lane.includes(':'))).toEqual([]);
  });

  test('limits hold by model and by family, named once', () => {
    expect(limitNamesOf('gpt-image-2.6-flare')).toEqual(['gpt-image-2.6-flare', 'gpt-image-2.6']);
    expect(limitNamesOf('gpt-image-2-2026-04-21')).toEqual(['gpt-image-2']);
  });
});

describe('retirement', () => {
  test.each([
    ['dall-e-3', '2026-11-22', true],
    ['gpt-image-1', '2026-11-22', true],
    ['gpt-image-1.5', '2026-11-30T23:59:59Z', false],
    ['gpt-image-1.5', '2026-12-01', true],
    ['gpt-image-1-mini', '2026-12-01', true],
    ['chatgpt-image-latest', '2026-12-01', true],
    ['gpt-image-2', '2036-01-01', false],
    ['gpt-image-2.6-flare', '2036-01-01', false],
  ])('%s at %s: %j', (id, date, retired) => {
    expect(isRetired(rulesOf(id), at(date))).toBe(retired);
  });

  test('"does not exist" retires a deprecated model early, by id or snapshot, but never a live one', () => {
    const now = at('2026-11-22');
    const unknown = (id: string): LearnedModels => ({ retired: new Set([id]), shutdownDates: new Map() });
    expect(isRetired(rulesOf('gpt-image-1.5'), now, unknown('gpt-image-1.5'))).toBe(true);
    expect(isRetired(rulesOf('gpt-image-1.5'), now, unknown('gpt-image-1.5-2025-12-16'))).toBe(true);
    expect(isRetired(rulesOf('gpt-image-1.5'), now, unknown('gpt-image-1-mini'))).toBe(false);
    expect(isRetired(rulesOf('gpt-image-2'), now, unknown('gpt-image-2'))).toBe(false);
  });
});

describe('a shutdown day the upstream told', () => {
  const told = (id: string, date: string): LearnedModels => ({
    retired: new Set(),
    shutdownDates: new Map([[id, date]]),
  });

  test.each([
    ['earlier than the data', 'gpt-image-1.5', '2026-11-25', '2026-11-24T23:59:59.999Z', false],
    ['earlier than the data', 'gpt-image-1.5', '2026-11-25', '2026-11-25', true],
    ['later than the data', 'gpt-image-1.5', '2027-02-01', '2026-12-01', false],
    ['later than the data', 'gpt-image-1.5', '2027-02-01', '2027-01-31T23:59:59.999Z', false],
    ['later than the data', 'gpt-image-1.5', '2027-02-01', '2027-02-01', true],
    ['where the data has none', 'gpt-image-2', '2027-03-01', '2027-02-28T23:59:59.999Z', false],
    ['where the data has none', 'gpt-image-2', '2027-03-01', '2027-03-01', true],
    ['of a model that is retired', 'gpt-image-1', '2036-01-01', '2026-11-22', true],
  ])('%s: %s with %s is retired at %s: %j', (_, id, date, now, retired) => {
    expect(isRetired(rulesOf(id), at(now), told(id, date))).toBe(retired);
  });

  test('replaces the day of the data, but revives nothing', () => {
    expect(shutdownDateOf(rulesOf('gpt-image-1.5'), told('gpt-image-1.5', '2027-02-01'))).toBe('2027-02-01');
    expect(shutdownDateOf(rulesOf('gpt-image-1.5'), told('gpt-image-2', '2027-02-01'))).toBe('2026-12-01');
    expect(shutdownDateOf(rulesOf('gpt-image-1'), told('gpt-image-1', '2036-01-01'))).toBe('2026-10-23');
    expect(shutdownDateOf(rulesOf('gpt-image-2'))).toBeNull();
  });

  test('makes a live model a deprecated one, so that "does not exist" retires it', () => {
    const learned = { ...told('gpt-image-2', '2027-03-01'), retired: new Set(['gpt-image-2']) };
    expect(isDeprecated(rulesOf('gpt-image-2'))).toBe(false);
    expect(isDeprecated(rulesOf('gpt-image-2'), learned)).toBe(true);
    expect(isRetired(rulesOf('gpt-image-2'), at('2026-11-22'), learned)).toBe(true);
  });

  test.each([
    ['2026-11-21T23:59:59.999Z', null],
    ['2026-11-22', '2026-12-22'],
    ['2026-12-22', '2026-12-22'],
    ['2036-01-01', '2026-12-22'],
  ])('2026-12-22 is announced at %s as %j: 30 days before and ever after', (now, announced) => {
    expect(announcedShutdownOf(rulesOf('gpt-image-2'), at(now), told('gpt-image-2', '2026-12-22'))).toBe(announced);
  });
});

describe('nearest names', () => {
  test.each([
    ['sise', ['size', 'style', 'n'], ['size']],
    ['dalle-3', MODEL_NAMES, ['dall-e-3', 'dall-e-2']],
    ['GPT-IMAGE-2', MODEL_NAMES, ['gpt-image-2', 'gpt-image-1', 'gpt-image-1.5']],
    ['midjourney', MODEL_NAMES, []],
    ['x'.repeat(1_000_000), MODEL_NAMES, []],
  ])('of %.20s', (name, known, nearest) => {
    expect(nearestNames(name, known)).toEqual(nearest);
  });
});

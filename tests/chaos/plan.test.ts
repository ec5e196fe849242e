import { describe, expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { planRun } from './plan.ts';
import { FAILED_ONCE, SHORT } from './seeds.ts';
import { planShort } from './short-plans.ts';
import { STATES } from './states.ts';

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed + 1);

test('the same seed gives the same plan, another seed another one', () => {
  expect(planRun(7)).toEqual(planRun(7));
  expect(planRun(7)).not.toEqual(planRun(8));
});

describe('a full plan', () => {
  test.each(SEEDS)(
    'of seed %i kills or freezes in every state its storage lets see, and asks for hundreds of jobs',
    (seed) => {
      const { acts, storage } = planRun(seed);
      const killed = acts.filter(({ kind }) => kind === 'kill').map(({ name }) => name);
      const all = STATES.filter(({ needs }) => needs === undefined || needs === storage).map(({ name }) => name);
      expect(killed.toSorted()).toEqual(all.toSorted());
      const lines = acts.reduce((sum, { batch }) => sum + (batch?.lines ?? 0), 0);
      expect(acts.flatMap(({ jobs }) => jobs).length + lines).toBeGreaterThan(400);
    },
  );

  test.each(SEEDS)('of seed %i gives each job a mark of its own', (seed) => {
    const marks = planRun(seed).acts.flatMap(({ jobs }) => jobs.map(({ envelope }) => envelope['metadata']));
    expect(new Set(marks.map((mark) => JSON.stringify(mark))).size).toBe(marks.length);
  });
});

test('plans of some seeds use both storages and both kinds of reply, and every kind of client', () => {
  const plans = SEEDS.map((seed) => planRun(seed));
  expect(new Set(plans.map(({ storage }) => storage))).toEqual(new Set(['s3', 'disk']));
  expect(new Set(plans.map(({ hasLinks }) => hasLinks))).toEqual(new Set([true, false]));
  expect(new Set(plans.map(({ hasTwoKeys }) => hasTwoKeys))).toEqual(new Set([true, false]));
  const jobs = plans.flatMap(({ acts }) => acts.flatMap((act) => act.jobs));
  expect(new Set(jobs.map(({ account }) => account)).size).toBe(2);
  expect(new Set(jobs.map(({ envelope }) => envelope['on_unknown']))).toEqual(new Set([undefined, 'fail']));
  expect(new Set(jobs.map(({ client }) => client)).size).toBe(5);
  expect(new Set(jobs.map(({ operation }) => operation)).size).toBe(3);
  expect(new Set(jobs.map(({ afterwards }) => afterwards)).size).toBe(3);
});

describe('the short plans', () => {
  const plans = SHORT.map((seed) => planShort(seed));

  test('kill in every state and play every fault, each once among them all', () => {
    const played = plans.flatMap(({ acts }) => acts.map(({ name }) => name));
    expect(played.toSorted()).toEqual([...STATES, ...FAULTS].map(({ name }) => name).toSorted());
  });

  test('are even, and kill in more than one state each', () => {
    for (const { acts } of plans) {
      expect(acts.length).toBeLessThanOrEqual(Math.ceil((STATES.length + FAULTS.length) / plans.length) + 1);
      expect(acts.filter(({ kind }) => kind === 'kill').length).toBeGreaterThan(1);
      expect(acts.some(({ batch }) => batch !== null)).toBe(true);
    }
  });

  test('are played in the world of the whole seed', () => {
    for (const { acts: _, ...world } of plans) {
      const { acts: __, ...whole } = planRun(world.seed);
      expect(world).toEqual(whole);
    }
  });

  test('are of a few seeds alone', () => {
    expect(FAILED_ONCE).toEqual(expect.arrayContaining([...SHORT]));
    expect(() => planShort(2)).toThrow('seed 2 has no short run; those have: 3, 5');
  });
});

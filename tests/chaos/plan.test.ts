import { describe, expect, test } from 'vitest';
import { planRun } from './plan.ts';
import { STATES } from './states.ts';

const SEEDS = Array.from({ length: 30 }, (_, seed) => seed + 1);

test('the same seed gives the same plan, another seed another one', () => {
  expect(planRun(7, false)).toEqual(planRun(7, false));
  expect(planRun(7, false)).not.toEqual(planRun(8, false));
});

describe('a full plan', () => {
  test.each(SEEDS)('of seed %i kills in every state its storage lets see, and asks for hundreds of jobs', (seed) => {
    const { acts, storage } = planRun(seed, false);
    const killed = acts.filter(({ kind }) => kind === 'kill').map(({ name }) => name);
    const all = STATES.filter(({ needs }) => needs === undefined || needs === storage).map(({ name }) => name);
    expect(killed.toSorted()).toEqual(all.toSorted());
    const lines = acts.reduce((sum, { batch }) => sum + (batch?.lines ?? 0), 0);
    expect(acts.flatMap(({ jobs }) => jobs).length + lines).toBeGreaterThan(400);
  });

  test.each(SEEDS)('of seed %i gives each job a mark of its own', (seed) => {
    const marks = planRun(seed, false).acts.flatMap(({ jobs }) => jobs.map(({ envelope }) => envelope['metadata']));
    expect(new Set(marks.map((mark) => JSON.stringify(mark))).size).toBe(marks.length);
  });
});

test('plans of some seeds use both storages and both kinds of reply, and every kind of client', () => {
  const plans = SEEDS.map((seed) => planRun(seed, false));
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

test('a short plan is a part of a full one', () => {
  const [short, full] = [planRun(7, true), planRun(7, false)];
  expect(short.acts.length).toBeLessThan(full.acts.length / 2);
});

// Carries out a plan's acts while the jobs of all acts so far are under way: the kills one after the other, and beside them
// the faults, each when the kill before it in the plan has begun. A killed process comes back after a moment; one worker and one API at least are up when the next one goes.
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { Felt } from './fault.ts';
import { FAULTS } from './faults.ts';
import { OVERTAKEN, timesOvertaken } from './freeze.ts';
import { again, killIn } from './kill.ts';
import type { Callers } from './load/callers.ts';
import type { Act, Plan } from './plan.ts';
import { buildRandom } from './random.ts';
import { STATES } from './states.ts';
import { Turns } from './turns.ts';
import type { World } from './world/world.ts';

export interface Played {
  /** How often a process was killed or frozen in each named state of the plan. */
  readonly hits: ReadonlyMap<string, number>;
  /** How often the service met each fault of the plan. */
  readonly felt: ReadonlyMap<string, number>;
}

/** For the last faults to be met. */
const FELT_WITHIN_MS = 4_000;
/** All of them. */
const KILLS_WITHIN_MS = 600_000;
/** Fresh work meets what a fault has left. */
const BETWEEN_FAULTS_MS = 300;

export async function playActs(world: World, plan: Plan, callers: Callers): Promise<Played> {
  const storageTurns = new Turns();
  const [hits, restarts] = [new Map<string, number>(), [] as Promise<void>[]];
  const feelings: { readonly name: string; readonly felt: Promise<Felt> }[] = [];
  const begin = ({ name, jobs, batch }: Act): void => {
    world.timeline.note('act', null, { name });
    for (const job of jobs) callers.start(job);
    if (batch !== null) callers.startBatch(batch);
  };
  let reached = 0;
  const playKill = async (act: Act): Promise<void> => {
    begin(act);
    const state = named(STATES, act.name);
    const kill = (): Promise<boolean> => killIn({ world, state, act, callers, restarts });
    const isHit = await (state.storage === undefined ? kill() : storageTurns.take(kill));
    hits.set(act.name, isHit ? 1 : 0);
    if (state.isFrozen === true)
      feelings.push({ name: OVERTAKEN, felt: Promise.resolve(() => Promise.resolve(timesOvertaken(world))) });
  };
  const playKills = async (): Promise<void> => {
    for (const [at, act] of plan.acts.entries()) {
      reached = at;
      if (act.kind === 'kill') await playKill(act);
    }
  };
  const playFaults = async (): Promise<void> => {
    for (const [at, act] of plan.acts.entries()) {
      if (act.kind !== 'fault') continue;
      await until('the kills get there', () => reached >= at, KILLS_WITHIN_MS);
      begin(act);
      const fault = named(FAULTS, act.name);
      const play = (): Promise<Felt> => fault.act(world, buildRandom(plan.seed + at, act.name));
      const felt = fault.movesStorage === true ? storageTurns.take(play) : play();
      feelings.push({ name: act.name, felt });
      if (fault.isBeside !== true) await felt;
      await pause(BETWEEN_FAULTS_MS);
    }
  };
  await Promise.all([playKills(), playFaults()]);
  // A fault beside it, or a busy machine, may have kept the work from a state for all its tries.
  for (const act of plan.acts) if (hits.get(act.name) === 0) await playKill(again(act, 'late'));
  await Promise.all(restarts);
  return { hits, felt: await readFelt(feelings) };
}

async function readFelt(
  feelings: readonly { readonly name: string; readonly felt: Promise<Felt> }[],
): Promise<Map<string, number>> {
  const faults = await Promise.all(feelings.map(async ({ name, felt }) => ({ name, ask: await felt })));
  const felt = new Map<string, number>();
  const areAllFelt = async (): Promise<boolean> => {
    for (const { name, ask } of faults) felt.set(name, await ask());
    return [...felt.values()].every((times) => times > 0);
  };
  await until('every fault was met', areAllFelt, FELT_WITHIN_MS).catch(() => undefined);
  return felt;
}

function named<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const found = list.find((one) => one.name === name);
  if (found === undefined) throw new TypeError(`nothing is called ${name}`);
  return found;
}

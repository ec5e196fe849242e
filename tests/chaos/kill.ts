// Kills a process in a named state, or freezes it: gets the work there, sets the trap, ends whom it has stopped. A state is
// tried again with fresh jobs when nobody got there.
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { freezeInPut } from './freeze.ts';
import type { Callers } from './load/callers.ts';
import type { PlannedJob } from './load/planned-jobs.ts';
import type { Act } from './plan.ts';
import type { NamedState } from './states.ts';
import type { Role } from './world/service-process.ts';
import type { Caught } from './world/traps.ts';
import { LATENCY_SCALE, type World } from './world/world.ts';

export interface Kill {
  readonly world: World;
  readonly state: NamedState;
  readonly act: Act;
  readonly callers: Callers;
  /** Of the killed, and the thaws of the frozen: to be waited for in the end. */
  readonly restarts: Promise<void>[];
}

/** A state is tried this often, each time with fresh jobs. */
const TRIES = 4;
const HIT_WITHIN_MS = 7_000;
/** A dead process is missed for a moment before it is started again. */
const DEAD_MS = 400;
const SPOOLED_WITHIN_MS = 9_000;
const UNDER_WAY_WITHIN_MS = 8_000;
/** Of the upstream: calls take about a second. */
const SLOW_SCALE = 0.15;

/** Whether a process was in the state and died in it. */
export async function killIn({ world, state, act, callers, restarts }: Kill): Promise<boolean> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await enoughUp(world, state.role);
    if (state.storage !== undefined) await storageAwayUnderCalls(world);
    if (state.storage === 'back') {
      await untilSpooled(world);
      await world.storage.back();
    }
    const caught = await world.traps.next(
      state.trap(),
      (process) => process.startsWith(state.role),
      AbortSignal.timeout(HIT_WITHIN_MS),
    );
    const isEnded = caught !== null && (await endCaught(world, state, caught, restarts));
    releaseAll(world, isEnded && state.isFrozen === true ? caught.process : null);
    if (state.storage === 'away') await world.storage.back();
    if (isEnded) return true;
    world.timeline.note('not hit', null, { state: state.name, tries });
    const { jobs, batch } = again(act, `again${tries}`);
    for (const job of jobs.slice(0, 4)) callers.start(job);
    if (batch !== null) callers.startBatch(batch);
  }
  return false;
}

/** The same with fresh jobs. */
export function again(act: Act, name: string): Act {
  const jobs = act.jobs.map((job) => fresh(job, `${job.id}-${name}`));
  return { ...act, jobs, batch: act.batch === null ? null : { ...act.batch, id: `${act.batch.id}-${name}` } };
}

function fresh(job: PlannedJob, id: string): PlannedJob {
  const { prompt } = job.input;
  return {
    ...job,
    id,
    input: { ...job.input, ...(prompt === undefined ? {} : { prompt: `chaos ${id}` }) },
    envelope: { ...job.envelope, metadata: { chaos: id } },
  };
}

/** False when it had ended otherwise just before. */
async function endCaught(world: World, state: NamedState, caught: Caught, restarts: Promise<void>[]): Promise<boolean> {
  const process = world.processes.find(({ name }) => name === caught.process);
  if (process === undefined) throw new Error(`${caught.process} is no process`);
  if (state.isFrozen === true) {
    if (process.condition !== 'up') return false;
    restarts.push(freezeInPut(world, process, caught, () => release(world, process.name)));
    return true;
  }
  const { point } = caught;
  const job = point.link === 'redis' ? /job_[0-9a-z-]+/.exec(point.args.join(' '))?.[0] : undefined;
  const isDead = await process.kill({ state: state.name, ...(job === undefined ? {} : { job }) });
  restarts.push(pause(DEAD_MS).then(() => process.start()));
  return isDead;
}

function enoughUp(world: World, role: Role): Promise<true> {
  const isUp = (): boolean => world.processes.filter((one) => one.role === role && one.condition === 'up').length >= 2;
  return until(`two of ${role} are up`, () => isUp(), 60_000);
}

/** No call starts while storage is away: those whose answers are to be spooled have to be under way before. */
async function storageAwayUnderCalls({ simulator, storage }: World): Promise<void> {
  await simulator.settings({ latencyScale: SLOW_SCALE });
  await until('calls are under way', async () => (await simulator.stats()).inFlight >= 2, UNDER_WAY_WITHIN_MS).catch(
    () => undefined, // the state may be reached all the same
  );
  await storage.away();
  await simulator.settings({ latencyScale: LATENCY_SCALE });
}

/** Not an error when nothing gets there: the state then is not hit, and the run says so. */
async function untilSpooled({ redis }: World): Promise<void> {
  await until(
    'an answer is spooled',
    async () => (await redis.zcard('{darkroom}:spooled')) > 0,
    SPOOLED_WITHIN_MS,
  ).catch(() => undefined);
}

/** What a trap has stopped in processes that live on; `frozen` keeps its own until it is thawed. */
function releaseAll(world: World, frozen: string | null): void {
  world.front.release();
  for (const { name } of world.processes) if (name !== frozen) release(world, name);
}

function release({ proxies }: World, process: string): void {
  const own = proxies.get(process);
  for (const proxy of own === undefined ? [] : [own.redis, own.s3, own.upstream]) proxy.release();
}

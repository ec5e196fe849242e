// What one seed means: which world, which jobs, which faults in which order. Pure: the same seed gives the same plan.
// When things happen can't be the same: processes and machines have their own time.
import type { Conditions, Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { type PlannedBatch, type PlannedJob, planJobs } from './load/planned-jobs.ts';
import { buildRandom, type Random } from './random.ts';
import { type NamedState, STATES } from './states.ts';
import { ACCOUNTS, type AccountName } from './world/accounts.ts';

/** One thing done to the service, while the jobs planned for it are under way. */
export interface Act {
  /** `kill`: of a process in a named state, or its freezing there, as the state says. */
  readonly kind: 'kill' | 'fault';
  /** Of the state or fault. */
  readonly name: string;
  /** Submitted when the act begins. */
  readonly jobs: readonly PlannedJob[];
  readonly batch: PlannedBatch | null;
}

/** What the world of a seed is like. */
export interface SeedConditions extends Conditions {
  readonly hasTwoAccounts: boolean;
}

export interface Plan extends SeedConditions {
  readonly seed: number;
  readonly smallSpoolBytes: number;
  readonly acts: readonly Act[];
}

export function accountsOf({ hasTwoAccounts }: Pick<Plan, 'hasTwoAccounts'>): readonly AccountName[] {
  return hasTwoAccounts ? ACCOUNTS : ACCOUNTS.slice(0, 1);
}

/** What is done in a run. */
export interface Program {
  readonly states: readonly NamedState[];
  readonly faults: readonly Fault[];
  /** For CI: fewer jobs. */
  readonly isShort: boolean;
}

/** Everything that can be done in the seed's world. */
export function planRun(seed: number): Plan {
  const conditions = conditionsOf(seed);
  return buildPlan(seed, {
    states: STATES.filter((state) => isStateOf(state, conditions)),
    faults: FAULTS.filter((fault) => isFaultOf(fault, conditions)),
    isShort: false,
  });
}

export function conditionsOf(seed: number): SeedConditions {
  const random = buildRandom(seed);
  return {
    storage: random.chance(0.25) ? 'disk' : 's3',
    hasLinks: random.chance(0.4),
    hasTwoKeys: random.chance(0.4),
    hasTwoAccounts: random.chance(0.5),
  };
}

export function isStateOf({ needs }: NamedState, { storage }: Conditions): boolean {
  return needs === undefined || needs === storage;
}

export function isFaultOf({ needs }: Fault, conditions: Conditions): boolean {
  return needs === undefined || needs(conditions);
}

export function buildPlan(seed: number, { states, faults, isShort }: Program): Plan {
  const random = buildRandom(seed);
  const conditions = conditionsOf(seed);
  const { hasLinks, hasTwoAccounts } = conditions;
  const acts = orderActs(random.fork('acts'), states, faults);
  return {
    seed,
    ...conditions,
    smallSpoolBytes: 3 * 1_024 ** 2,
    acts: acts.map((act, at) => ({
      kind: act.kind,
      name: act.name,
      batch: hasBatch(act, at, isShort)
        ? { id: `${seed}-batch-${at}`, account: hasTwoAccounts ? 'two' : 'one', lines: isShort ? 40 : 100 }
        : null,
      jobs: planJobs(random.fork(`jobs ${at}`), { seed, act: at, bait: act.bait, isShort, hasLinks, hasTwoAccounts }),
    })),
  };
}

type Bare = Pick<Act, 'kind' | 'name'> & { readonly bait: NamedState['bait'] | null; readonly isEarly: boolean };

function toKill({ name, bait, isEarly = false }: NamedState): Bare {
  return { kind: 'kill', name, bait, isEarly };
}

/** Whatever takes long to mend comes early, so that it is mended while the rest goes on. */
function orderActs(random: Random, states: readonly NamedState[], faults: readonly Fault[]): Bare[] {
  const [last, others] = [states.filter(({ isLast }) => isLast), states.filter(({ isLast }) => !isLast)];
  const acts: Bare[] = [
    ...others.map(toKill),
    ...faults.map(({ name, isEarly = false }) => ({ kind: 'fault' as const, name, bait: null, isEarly })),
  ];
  const shuffled = random.shuffle(acts);
  return [
    ...shuffled.filter(({ isEarly }) => isEarly),
    ...shuffled.filter(({ isEarly }) => !isEarly),
    ...last.map(toKill),
  ];
}

/** The one a worker is killed over, and one more for everything else to happen to. */
function hasBatch({ bait }: Bare, at: number, isShort: boolean): boolean {
  return bait === 'batch' || at === (isShort ? 1 : 3);
}

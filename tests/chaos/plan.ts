// What one seed means: which world, which jobs, which faults in which order. Pure: the same seed gives the same plan.
// When things happen can't be the same: processes and machines have their own time.
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { type PlannedBatch, type PlannedJob, planJobs } from './load/planned-jobs.ts';
import { buildRandom, type Random } from './random.ts';
import { type NamedState, STATES } from './states.ts';
import { ACCOUNTS, type AccountName } from './world/accounts.ts';

/** One thing done to the service, while the jobs planned for it are under way. */
export interface Act {
  readonly kind: 'kill' | 'fault';
  /** Of the state or fault. */
  readonly name: string;
  /** Submitted when the act begins. */
  readonly jobs: readonly PlannedJob[];
  readonly batch: PlannedBatch | null;
}

export interface Plan {
  readonly seed: number;
  readonly storage: 's3' | 'disk';
  readonly hasLinks: boolean;
  /** Of the upstream. */
  readonly hasTwoKeys: boolean;
  readonly hasTwoAccounts: boolean;
  readonly smallSpoolBytes: number;
  readonly acts: readonly Act[];
}

export function accountsOf({ hasTwoAccounts }: Pick<Plan, 'hasTwoAccounts'>): readonly AccountName[] {
  return hasTwoAccounts ? ACCOUNTS : ACCOUNTS.slice(0, 1);
}

/** `short`: for CI; fewer jobs, a part of the states and faults, other ones for each seed. */
export function planRun(seed: number, isShort: boolean): Plan {
  const random = buildRandom(seed);
  const storage = random.chance(0.25) ? 'disk' : 's3';
  const hasLinks = random.chance(0.4);
  const hasTwoKeys = random.chance(0.4);
  const hasTwoAccounts = random.chance(0.5);
  const conditions = { storage, hasLinks, hasTwoKeys } as const;
  const states = STATES.filter(({ needs }) => needs === undefined || needs === storage);
  const faults = FAULTS.filter(({ needs }) => needs === undefined || needs(conditions));
  const acts = orderActs(
    random.fork('acts'),
    isShort ? someOf(random, states, 6) : states,
    isShort ? someOf(random, faults, 3) : faults,
  );
  return {
    seed,
    storage,
    hasLinks,
    hasTwoKeys,
    hasTwoAccounts,
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

/** Whatever takes long to mend comes early, so that it is mended while the rest goes on. */
function orderActs(random: Random, states: readonly NamedState[], faults: readonly Fault[]): Bare[] {
  const acts: Bare[] = [
    ...states.map(({ name, bait, isEarly = false }) => ({ kind: 'kill' as const, name, bait, isEarly })),
    ...faults.map(({ name, isEarly = false }) => ({ kind: 'fault' as const, name, bait: null, isEarly })),
  ];
  const shuffled = random.shuffle(acts);
  return [...shuffled.filter(({ isEarly }) => isEarly), ...shuffled.filter(({ isEarly }) => !isEarly)];
}

/** The one a worker is killed over, and one more for everything else to happen to. */
function hasBatch({ bait }: Bare, at: number, isShort: boolean): boolean {
  return bait === 'batch' || at === (isShort ? 1 : 3);
}

function someOf<T>(random: Random, list: readonly T[], count: number): T[] {
  return random.shuffle(list).slice(0, count);
}

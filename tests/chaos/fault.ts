// What a fault is: something done to the world beside the named kills, which begins, lasts a while and ends by itself. What
// it leaves behind is the service's affair; whether the service met it at all is told, for what it never met proves nothing.
import type { Random } from './random.ts';
import type { World } from './world/world.ts';

/** What differs between the worlds of two seeds. */
export interface Conditions {
  readonly storage: 's3' | 'disk';
  readonly hasLinks: boolean;
  readonly hasTwoKeys: boolean;
}

/** How often the service has met the fault so far. */
export type Felt = () => Promise<number>;

export interface Fault {
  readonly name: string;
  readonly needs?: (conditions: Conditions) => boolean;
  /** What it leaves takes long to be mended. */
  readonly isEarly?: boolean;
  /** Others may begin while it lasts. */
  readonly isBeside?: boolean;
  /** Takes storage away: never two at a time, and not while a state is waited for that needs it there. */
  readonly movesStorage?: boolean;
  /** Resolves when the world is as before. */
  readonly act: (world: World, random: Random) => Promise<Felt>;
}

export function felt(times: number): Felt {
  return () => Promise.resolve(times);
}

/** Met by those who ask the simulator for what the faults are about. */
export async function ofSimulator(
  { simulator }: World,
  faults: readonly {
    readonly kind: string;
    readonly count: number;
    readonly model?: string;
    readonly key?: string;
    readonly params?: Readonly<Record<string, unknown>>;
  }[],
): Promise<Felt> {
  const ids = await Promise.all(faults.map(({ kind, ...options }) => simulator.fault(kind, options)));
  const ordered = faults.reduce((sum, { count }) => sum + count, 0);
  return async () => {
    const left = (await simulator.faults()).filter(({ id }) => ids.includes(id));
    return ordered - left.reduce((sum, { count }) => sum + (count ?? 0), 0);
  };
}

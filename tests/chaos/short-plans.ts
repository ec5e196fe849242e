// The runs of CI: a few seeds that failed, each in its own world, share all named states and all faults among them, so that
// a run of them all meets every one of them. Pure.
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';
import { buildPlan, conditionsOf, isFaultOf, isStateOf, type Plan, type SeedConditions } from './plan.ts';
import { SHORT } from './seeds.ts';
import { type NamedState, STATES } from './states.ts';

interface Hand {
  readonly states: NamedState[];
  readonly faults: Fault[];
}

/** Throws a RangeError for a seed that is not of CI. */
export function planShort(seed: number): Plan {
  const hand = dealAll().get(seed);
  if (hand === undefined) throw new RangeError(`seed ${seed} has no short run; those have: ${SHORT.join(', ')}`);
  return buildPlan(seed, { ...hand, isShort: true });
}

function dealAll(): ReadonlyMap<number, Hand> {
  const hands = new Map(SHORT.map((seed): [number, Hand] => [seed, { states: [], faults: [] }]));
  deal(STATES, isStateOf, hands, (hand, state) => hand.states.push(state));
  deal(FAULTS, isFaultOf, hands, (hand, fault) => hand.faults.push(fault));
  return hands;
}

/** Each card to the hand that holds least of those whose world lets it be played; the hardest to place come first. */
function deal<T>(
  cards: readonly T[],
  isOf: (card: T, conditions: SeedConditions) => boolean,
  hands: ReadonlyMap<number, Hand>,
  give: (hand: Hand, card: T) => void,
): void {
  const placed = cards.map((card) => ({
    card,
    seeds: [...hands.keys()].filter((seed) => isOf(card, conditionsOf(seed))),
  }));
  for (const { card, seeds } of placed.toSorted((one, other) => one.seeds.length - other.seeds.length)) {
    const able = seeds.flatMap((seed) => hands.get(seed) ?? []);
    const least = able.toSorted((one, other) => sizeOf(one) - sizeOf(other))[0];
    if (least === undefined) throw new RangeError('no seed of CI has a world for one of the states or faults');
    give(least, card);
  }
}

function sizeOf({ states, faults }: Hand): number {
  return states.length + faults.length;
}

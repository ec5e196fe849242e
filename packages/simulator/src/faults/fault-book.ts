/**
 * Faults ordered through a control route: which, for which requests, how often.
 * Knows nothing of what a fault does; the servers ask `take` at the point where a kind would act.
 */
import { isObject } from '../http/body.ts';

export interface Fault<Kind extends string> {
  id: string;
  kind: Kind;
  /** Only requests whose facts have these values, e.g. { model: 'gpt-image-2' }; empty = every request. */
  match: Record<string, string>;
  /** How often it still acts; null = until removed. */
  count: number | null;
  /** Chance to act on a matching request, 0..1. */
  probability: number;
  /** Matching requests still to let pass. */
  after: number;
  params: Record<string, unknown>;
  /** How often it has acted. */
  hits: number;
}

/** A wrong fault description; the message names what is allowed. */
export class FaultProblem extends Error {}

/** Decides whether a fault's `match` value fits a request; `key` is one of the book's match keys. */
export type Matches = (key: string, wanted: string) => boolean;

/** What a fault may be narrowed by: the values allowed, or null for any text. */
export type MatchKeys = Readonly<Record<string, readonly string[] | null>>;

const COMMON_FIELDS = ['kind', 'count', 'probability', 'after', 'params'];

export class FaultBook<Kind extends string> {
  readonly kinds: readonly Kind[];
  readonly #matchKeys: MatchKeys;
  readonly #faults = new Map<string, Fault<Kind>>();
  #lastId = 0;

  constructor(kinds: readonly Kind[], matchKeys: MatchKeys) {
    this.kinds = kinds;
    this.#matchKeys = matchKeys;
  }

  /** Adds a fault from a request body; throws FaultProblem. */
  add(body: Record<string, unknown>): Fault<Kind> {
    const allowed = [...COMMON_FIELDS, ...Object.keys(this.#matchKeys)];
    const stranger = Object.keys(body).find((key) => !allowed.includes(key));
    if (stranger !== undefined) throw new FaultProblem(`unknown field '${stranger}'; fields: ${allowed.join(', ')}`);
    const kind = this.kinds.find((known) => known === body.kind);
    if (kind === undefined)
      throw new FaultProblem(`unknown kind '${String(body.kind)}'; kinds: ${this.kinds.join(', ')}`);
    const params = body.params ?? {};
    if (!isObject(params)) throw new FaultProblem('params must be an object');
    this.#lastId += 1;
    const fault: Fault<Kind> = {
      id: `fault_${this.#lastId}`,
      kind,
      match: this.#readMatch(body),
      count: body.count === undefined ? null : integerField(body, 'count', 1),
      probability: body.probability === undefined ? 1 : fractionField(body, 'probability'),
      after: body.after === undefined ? 0 : integerField(body, 'after', 0),
      params,
      hits: 0,
    };
    this.#faults.set(fault.id, fault);
    return fault;
  }

  list(): Fault<Kind>[] {
    return [...this.#faults.values()];
  }

  remove(id: string): boolean {
    return this.#faults.delete(id);
  }

  clear(): void {
    this.#faults.clear();
  }

  /** The first fault of one of these kinds that acts on this request, its counters moved on; or null. */
  take(kinds: ReadonlySet<Kind>, matches: Matches): Fault<Kind> | null {
    for (const fault of this.#faults.values()) {
      if (!kinds.has(fault.kind)) continue;
      if (!Object.entries(fault.match).every(([key, wanted]) => matches(key, wanted))) continue;
      if (this.#acts(fault)) return fault;
    }
    return null;
  }

  #acts(fault: Fault<Kind>): boolean {
    if (fault.after > 0) {
      fault.after -= 1;
      return false;
    }
    if (fault.probability < 1 && Math.random() >= fault.probability) return false;
    fault.hits += 1;
    if (fault.count !== null) {
      fault.count -= 1;
      if (fault.count === 0) this.#faults.delete(fault.id);
    }
    return true;
  }

  #readMatch(body: Record<string, unknown>): Record<string, string> {
    const match: Record<string, string> = {};
    for (const [key, values] of Object.entries(this.#matchKeys)) {
      const value = body[key];
      if (value === undefined) continue;
      if (typeof value !== 'string') throw new FaultProblem(`${key} must be a string`);
      if (values !== null && !values.includes(value))
        throw new FaultProblem(`${key} must be one of ${values.join(', ')}`);
      match[key] = value;
    }
    return match;
  }
}

function integerField(body: Record<string, unknown>, key: string, min: number): number {
  const value = body[key];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min) {
    throw new FaultProblem(`${key} must be an integer >= ${min}`);
  }
  return value;
}

function fractionField(body: Record<string, unknown>, key: string): number {
  const value = body[key];
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw new FaultProblem(`${key} must be 0..1`);
  return value;
}

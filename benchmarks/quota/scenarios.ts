// The scenarios of bench:quota as rows of a table: what the upstream allows and says, what the client is told, and the
// work. Names say it all: <what is known>-<images a minute>-<workers>.

/**
 * told: in LIMITS · headers: read off each reply · message: named by 429s alone · wait: 429s say how long to wait and no
 * more.
 */
type Knowledge = 'told' | 'headers' | 'message' | 'wait';

interface Upstream {
  readonly imagesPerMinute: number;
  /** What a full bucket of the upstream's holds, in seconds of its limit. */
  readonly bucketSeconds: number;
  readonly telling: 'headers' | 'message' | 'wait';
  /** The limit is halved when half of the images are made. */
  readonly halves: boolean;
}

interface Shared {
  readonly name: string;
  readonly upstream: Upstream;
  /** `n` of the calls, in turn. */
  readonly mix: readonly number[];
}

export interface DarkroomScenario extends Shared {
  readonly client: 'darkroom';
  readonly workers: number;
  /** What LIMITS says beside the upstream's limit; null when it says nothing. */
  readonly told: { readonly burstSeconds: number } | null;
  /** A second account comes when the first has submitted all: share of the images that is its. 0 = none. */
  readonly secondShare: number;
}

export interface SdkScenario extends Shared {
  readonly client: 'sdk';
  readonly atOnce: number;
  readonly maxRetries: number;
}

export type Scenario = DarkroomScenario | SdkScenario;

/** Darkroom's default `burst_seconds`. */
const BURST_SECONDS = 5;
/**
 * OpenAI's guide says that a limit may be enforced over shorter times than its minute; all headers seen fit a bucket that
 * holds the whole minute. A bucket of six seconds makes the rate count and not the start; `minute-…` and `second-…` are
 * the two ends.
 */
const BUCKET_SECONDS = 6;
const ONE_EACH = [1];
/** A fifth of the images comes in calls for one, half in calls for ten. */
const MIXED = [1, 2, 1, 4, 10, 1, 1];

interface Changes {
  readonly name?: string;
  readonly upstream?: Partial<Upstream>;
  readonly mix?: readonly number[];
  readonly burstSeconds?: number;
  readonly secondShare?: number;
}

function darkroom(knowledge: Knowledge, perMinute: number, workers: number, changes: Changes = {}): DarkroomScenario {
  const told = knowledge === 'told';
  return {
    client: 'darkroom',
    name: `${changes.name ?? knowledge}-${perMinute}-${workers}`,
    upstream: { ...upstream(perMinute, told ? 'headers' : knowledge), ...changes.upstream },
    mix: changes.mix ?? ONE_EACH,
    workers,
    told: told ? { burstSeconds: changes.burstSeconds ?? BURST_SECONDS } : null,
    secondShare: changes.secondShare ?? 0,
  };
}

function sdk(perMinute: number, atOnce: number, maxRetries: number, changes: Changes = {}): SdkScenario {
  return {
    client: 'sdk',
    name: `${changes.name ?? 'sdk'}-${perMinute}-p${atOnce}-r${maxRetries}`,
    upstream: { ...upstream(perMinute, 'headers'), ...changes.upstream },
    mix: changes.mix ?? ONE_EACH,
    atOnce,
    maxRetries,
  };
}

function upstream(imagesPerMinute: number, telling: Upstream['telling']): Upstream {
  return { imagesPerMinute, bucketSeconds: BUCKET_SECONDS, telling, halves: false };
}

const LIMITS = [60, 300, 1_500];
const WORKERS = [1, 4, 16];
const KNOWLEDGE: readonly Knowledge[] = ['told', 'headers', 'message', 'wait'];
const HALVES = { upstream: { halves: true } };

const SCENARIOS: readonly Scenario[] = [
  ...KNOWLEDGE.flatMap((knowledge) =>
    LIMITS.flatMap((limit) => WORKERS.map((workers) => darkroom(knowledge, limit, workers))),
  ),
  ...KNOWLEDGE.map((knowledge) => darkroom(knowledge, 300, 4, { name: `halves-${knowledge}`, ...HALVES })),
  ...KNOWLEDGE.map((knowledge) => darkroom(knowledge, 300, 4, { name: `mixed-${knowledge}`, mix: MIXED })),
  darkroom('told', 300, 4, { name: 'accounts', secondShare: 0.2 }),
  darkroom('told', 300, 4, { name: 'accounts-mixed', secondShare: 0.2, mix: MIXED }),
  // At a high limit a second of the bucket that nobody was told of is much of the whole time.
  ...WORKERS.map((workers) => darkroom('told', 1_500, workers, { name: 'told-burst', burstSeconds: BUCKET_SECONDS })),
  // The upstream's bucket holds just what Darkroom takes it to hold, so that a late packet is enough for a 429.
  ...LIMITS.map((limit) => darkroom('told', limit, 4, { name: 'exact', upstream: { bucketSeconds: BURST_SECONDS } })),
  darkroom('told', 300, 4, { name: 'minute', upstream: { bucketSeconds: 60 } }),
  darkroom('told', 300, 4, { name: 'minute-burst', upstream: { bucketSeconds: 60 }, burstSeconds: 58 }),
  darkroom('headers', 300, 4, { name: 'minute-headers', upstream: { bucketSeconds: 60 } }),
  darkroom('told', 300, 4, { name: 'second', upstream: { bucketSeconds: 1 } }),
  darkroom('told', 300, 4, { name: 'second-burst', upstream: { bucketSeconds: 1 }, burstSeconds: 0 }),
  ...LIMITS.flatMap((limit) => [10, 50].flatMap((atOnce) => [2, 10].map((retries) => sdk(limit, atOnce, retries)))),
  sdk(300, 50, 10, { name: 'sdk-halves', ...HALVES }),
  sdk(300, 50, 10, { name: 'sdk-mixed', mix: MIXED }),
];

/** The scenarios of these names; `told-*` names all that begin with it. Throws on a name that fits none. */
export function findScenarios(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return SCENARIOS;
  return names.flatMap((name) => {
    const found = SCENARIOS.filter((scenario) =>
      name.endsWith('*') ? scenario.name.startsWith(name.slice(0, -1)) : scenario.name === name,
    );
    if (found.length === 0) throw new Error(`no scenario '${name}'; --list shows all`);
    return found;
  });
}

// From the upstream's ledger and the client's clock to one line of the table. Pure.
import { percentile } from '../support/row.ts';
import { allowedBetween, burstOf, type Phase, soonestMs } from './allowance.ts';
import type { Scenario } from './scenarios.ts';
import type { LedgerRequest } from './upstream.ts';
import type { AccountName } from './work.ts';

/** What a client did, seen from the client. Times are ms since 1970. */
export interface Run {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Images the client got. */
  readonly images: number;
  /** Calls that ended without all of their images. */
  readonly failed: number;
  /** CPU time of all workers; null for the SDK, which has none. */
  readonly workersCpuMs: number | null;
  /** When the second account submitted its first job; null without one. */
  readonly secondFrom: number | null;
}

export interface Figures {
  readonly makespanMs: number;
  readonly minimumMs: number;
  readonly use: number;
  readonly requests: number;
  readonly refused: number;
  /** What a bucket must hold to refuse none of the requests, in seconds of the limit; null when the limit changed. */
  readonly burstSeconds: number | null;
  readonly firstImageMs: number;
  readonly longestGapMs: number;
  /** Images the upstream made beyond those the client got. */
  readonly surplus: number;
  readonly second: { readonly share: number; readonly firstImageMs: number } | null;
}

export function figuresOf(
  scenario: Scenario,
  run: Run,
  ledger: readonly LedgerRequest[],
  halvedAt: number | null,
): Figures {
  const admitted = ledger.filter(({ status }) => status === 200).toSorted((a, b) => a.at - b.at);
  const [first] = admitted;
  const last = admitted.at(-1);
  if (first === undefined || last === undefined) throw new Error(`${scenario.name}: the upstream admitted nothing`);
  const made = imagesOf(admitted);
  const answerMs = percentile(
    admitted.map(({ at, endedAt }) => (endedAt ?? at) - at),
    0.5,
  );
  const phases = phasesOf(scenario, run, halvedAt);
  return {
    makespanMs: run.endedAt - run.startedAt,
    minimumMs: soonestMs(phases, made) + answerMs,
    use: made / allowedBetween(asTold(scenario, phases), first.at - run.startedAt, last.at - run.startedAt),
    requests: ledger.length,
    refused: ledger.filter(({ status }) => status === 429).length,
    burstSeconds: halvedAt === null ? burstSecondsOf(ledger, scenario.upstream.imagesPerMinute) : null,
    firstImageMs: firstEnd(admitted) - run.startedAt,
    longestGapMs: Math.max(0, ...admitted.slice(1).map(({ at }, index) => at - (admitted[index]?.at ?? at))),
    surplus: made - run.images,
    second: run.secondFrom === null ? null : shareOf('beta', admitted, run.secondFrom),
  };
}

function phasesOf({ upstream, mix }: Scenario, run: Run, halvedAt: number | null): readonly Phase[] {
  const phase = (fromMs: number, perMinute: number): Phase => ({
    fromMs,
    perMinute,
    capacity: Math.max((perMinute * upstream.bucketSeconds) / 60, ...mix),
  });
  const whole = phase(0, upstream.imagesPerMinute);
  return halvedAt === null ? [whole] : [whole, phase(halvedAt - run.startedAt, upstream.imagesPerMinute / 2)];
}

/** What Darkroom may take at once by what it was told. Nobody told of the halved limit. */
function asTold(scenario: Scenario, phases: readonly Phase[]): readonly Phase[] {
  const told = scenario.client === 'darkroom' ? scenario.told : null;
  if (told === null) return phases;
  return phases.map((phase, index) => {
    const burst = Math.max((phase.perMinute * told.burstSeconds) / 60, ...scenario.mix);
    return index === 0 ? { ...phase, capacity: Math.min(phase.capacity, burst) } : phase;
  });
}

function burstSecondsOf(ledger: readonly LedgerRequest[], perMinute: number): number {
  const arrivals = ledger.toSorted((a, b) => a.at - b.at).map(({ at, n }) => ({ at, images: n ?? 1 }));
  return (burstOf(arrivals, perMinute) * 60) / perMinute;
}

/** Share of the images admitted while `account` had work, from its first submission to its last admission. */
function shareOf(account: AccountName, admitted: readonly LedgerRequest[], from: number): Figures['second'] {
  const own = admitted.filter(({ prompt }) => prompt?.startsWith(account));
  const until = own.at(-1)?.at ?? from;
  const contended = admitted.filter(({ at }) => at >= from && at <= until);
  return { share: imagesOf(own) / imagesOf(contended), firstImageMs: firstEnd(own) - from };
}

function imagesOf(requests: readonly LedgerRequest[]): number {
  return requests.reduce((sum, { billedImages }) => sum + billedImages, 0);
}

function firstEnd(requests: readonly LedgerRequest[]): number {
  return Math.min(...requests.map(({ endedAt }) => endedAt ?? Number.POSITIVE_INFINITY));
}

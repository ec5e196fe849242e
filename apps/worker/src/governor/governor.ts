// Gives out permits: the right to send one request now or after a short sleep, under every limit that holds for its model
// and under the upstream key that can take it soonest, shared by all workers through Redis. Learns from every reply. Sends
// nothing itself. The limits are kept in bucket.lua, the choice of the key in acquire.lua.
import { randomUUID } from 'node:crypto';
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { GateBucket } from '@darkroom/shared/jobs/paying-gate.ts';
import { limitNamesOf } from '@darkroom/shared/models/rules.ts';
import type { Redis } from 'ioredis';
import { type GovernedKey, GovernedKeys, type LimitSet, toToldArgs } from './governed-keys.ts';
import { HeldLeases, LEASE_MS } from './held-leases.ts';
import { forgetFailures, noteFailure } from './key-failures.ts';
import { pauseKey, putOffProbe, type RefusedCall, resumeKey } from './key-pauses.ts';
import { learnLimits, type Receipt, type Stop, slowDown, stopBucket, type UsedPermit } from './learning.ts';
import type { Observation } from './observation.ts';
import { Sleepers, type Slept } from './sleepers.ts';

const ACQUIRE = loadScript(
  import.meta.url,
  'working-rate.lua',
  'bucket.lua',
  'slow-start.lua',
  'set-back-clock.lua',
  'acquire.lua',
);
const GIVE_BACK = loadScript(import.meta.url, 'working-rate.lua', 'bucket.lua', 'give-back.lua');

/** Longer waits are handed back to the queue instead of slept in the slot; a call for many images may sleep up to twice as long. */
export const LONGEST_SLEEP_MS = 5_000;
/** Also how often other processes hear which keys this one has. */
const RENEW_EVERY_MS = 15_000;

export interface Permit extends UsedPermit {
  readonly id: string;
  readonly upstreamKey: string;
  /** Sleep this long before the gate, ms. */
  readonly waitMs: number;
  /** For the gate: their epochs must still add up to `epoch`. */
  readonly buckets: readonly GateBucket[];
  readonly epoch: number;
  readonly upstreamKeyHash: string;
  readonly isProbe: boolean;
  /** Sleeps until the permit's time, at most; `stopped` when a limit or the key has stopped meanwhile. */
  sleep(signal: AbortSignal): Promise<Slept>;
  /** Call once, after the reply (`used`; `refused` when it was a 429) or when nothing was sent (`unused`: its share goes back). */
  giveBack(used: 'used' | 'refused' | 'unused'): Promise<void>;
}

export interface Refused {
  readonly kind: 'rate' | 'busy' | 'paused';
  readonly waitMs: number;
  /** Only the call's own upstream key was asked, and there are others: it says nothing about the lane. */
  readonly isBound: boolean;
}

/** More images than the limits let through in a minute: `most` of them at a time may be asked for. */
export interface TooLarge {
  readonly kind: 'too-large';
  readonly most: number;
}

export type Acquired = { readonly kind: 'permit'; readonly permit: Permit } | Refused | TooLarge;

export interface Ask {
  readonly model: string;
  readonly images: number;
  /** Estimated tokens, 0 when unknown. */
  readonly tokens: number;
  /** The only upstream key that may be taken; null = any. */
  readonly onlyKey: string | null;
}

export interface Governor {
  /** Why `acquire` would give no permit now; null when it would. Takes nothing. */
  look(ask: Ask): Promise<Refused | TooLarge | null>;
  acquire(ask: Ask): Promise<Acquired>;
  /** Learns from any reply, good or bad. */
  observe(permit: UsedPermit, observation: Observation): Promise<void>;
  /** A 429: the bucket it is about stops for as long as told. Give the permit back before. */
  stop(permit: UsedPermit, observation: Observation, isSlowDown: boolean): Promise<Stop>;
  /** `slow_down`: half the calls under way. Returns how many; null when that is no news. Give the permit back before. */
  slowDown(permit: UsedPermit): Promise<number | null>;
  /** The upstream key was refused (401, quota, billing). Returns ms until the next probe; 0 = it was resumed since the call might start. */
  pauseKey(upstreamKey: string, error: ServiceError, call: RefusedCall): Promise<number>;
  /** The probe told nothing of the key: the next comes after the same time once more. */
  putOffProbe(upstreamKey: string): Promise<void>;
  /** The key was accepted: if it was paused, it goes on. */
  resumeKey(upstreamKey: string): Promise<boolean>;
  /** The upstream key's host was not to be reached, or answered with a 5xx. Returns for how many ms it is set aside by this. */
  noteFailure(permit: UsedPermit, hasReplied: boolean): Promise<number>;
  /** The upstream key has replied: it is set aside no more. */
  forgetFailures(permit: UsedPermit): Promise<void>;
  /** Calls of a model that may be under way by what was told, all upstream keys together; null = any number. */
  toldConcurrency(model: string): number | null;
  /** Upstream keys and whether they are paused now. */
  pauses(): Promise<ReadonlyMap<string, boolean>>;
  /** Something was said on the channel `limitChanges`: sleepers it is about wake up. */
  hear(message: string): void;
  close(): void;
}

export interface GovernorOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  /** In order of preference; at least one. */
  readonly upstreamKeys: readonly GovernedKey[];
  /** A lease could not be renewed, or the upstream keys not be announced. */
  readonly onError: (error: unknown) => void;
}

type Reply =
  | readonly [kind: 'permit', waitMs: number, number: number, isProbe: number, receipt: string]
  | readonly [kind: Refused['kind'], waitMs: number]
  | readonly [kind: 'too-large', waitMs: number, number: number, most: number]
  | readonly [kind: 'names', waitMs: number, number: number, further: string];

/** What acquire.lua chose. */
interface Choice {
  readonly limits: LimitSet;
  readonly waitMs: number;
  readonly isProbe: boolean;
  /** '' of a look. */
  readonly receipt: string;
}

export async function openGovernor({ redis, keys, upstreamKeys, onError }: GovernorOptions): Promise<Governor> {
  const governed = new GovernedKeys(upstreamKeys, keys);
  const learning = { redis, keys, governed };
  const leases = new HeldLeases(redis);
  const sleepers = new Sleepers();
  await governed.announce(redis);
  const refresh = (): void => void Promise.all([leases.renew(), governed.announce(redis)]).catch(onError);
  const timer = setInterval(refresh, RENEW_EVERY_MS);

  const choose = async (permitId: string, ask: Ask): Promise<Choice | Refused | TooLarge> => {
    const candidates = upstreamKeys.filter(({ name }) => ask.onlyKey === null || name === ask.onlyKey);
    const sets = candidates.map((key) => governed.limitSet(key, ask.model));
    const reply = await runAcquire(redis, permitId, ask, sets);
    if (reply.length === 2) return { kind: reply[0], waitMs: reply[1], isBound: sets.length < upstreamKeys.length };
    if (reply[0] === 'too-large') return { kind: reply[0], most: reply[3] };
    const limits = sets[reply[2] - 1];
    if (limits === undefined) throw new TypeError(`acquire.lua chose key ${reply[2]} of ${sets.length}`);
    if (reply[0] === 'permit') return { limits, waitMs: reply[1], isProbe: reply[3] === 1, receipt: reply[4] };
    governed.noteFurther(limits.key, ask.model, reply[3]);
    return choose(permitId, ask);
  };

  const toPermit = (id: string, ask: Ask, { limits, waitMs, isProbe, receipt: text }: Choice): Permit => {
    const receipt = JSON.parse(text) as Receipt;
    leases.hold(id, { sets: limits.leases, probed: isProbe ? limits.hash : null, start: receipt.start });
    return {
      id,
      model: ask.model,
      images: ask.images,
      tokens: ask.tokens,
      limits,
      receipt,
      upstreamKey: limits.key.name,
      waitMs,
      buckets: receipt.buckets.map(({ burst, share }, index) => ({ hash: limits.buckets[index] ?? '', burst, share })),
      epoch: receipt.buckets.reduce((sum, { epoch }) => sum + epoch, 0),
      upstreamKeyHash: limits.hash,
      isProbe,
      sleep: (signal) => sleepers.sleep(waitMs, [limits.key.name, ...limits.names], signal),
      async giveBack(used) {
        leases.drop(id);
        const buckets = limits.buckets.flatMap((bucket, index) => [bucket, limits.leases[index] ?? '']);
        await runScript(
          redis,
          GIVE_BACK,
          [limits.hash, ...buckets],
          [id, used, isProbe ? 1 : 0, ask.images, ask.tokens, text],
        );
      },
    };
  };

  return {
    async look(ask) {
      const choice = await choose('', ask);
      return 'limits' in choice ? null : choice;
    },
    async acquire(ask) {
      const id = randomUUID();
      const choice = await choose(id, ask);
      return 'limits' in choice ? { kind: 'permit', permit: toPermit(id, ask, choice) } : choice;
    },
    observe: (permit, observation) => learnLimits(learning, permit, observation),
    stop: (permit, observation, isSlowDown) => stopBucket(learning, permit, observation, isSlowDown),
    slowDown: (permit) => slowDown(learning, permit),
    pauseKey: (name, error, call) => pauseKey(redis, keys, name, error, call),
    putOffProbe: (name) => putOffProbe(redis, keys, name),
    resumeKey: (name) => resumeKey(redis, keys, name),
    // Nothing is set aside where there is nothing else.
    noteFailure: async (permit, hasReplied) =>
      upstreamKeys.length === 1 ? 0 : noteFailure(redis, keys, permit, hasReplied),
    forgetFailures: async (permit) => (upstreamKeys.length === 1 ? undefined : forgetFailures(redis, keys, permit)),
    toldConcurrency(model) {
      const told = upstreamKeys.map(({ limits }) => limits[model]?.concurrency ?? Number.POSITIVE_INFINITY);
      const sum = told.reduce((all, one) => all + one, 0);
      return Number.isFinite(sum) ? sum : null;
    },
    async pauses() {
      const names = upstreamKeys.map(({ name }) => name);
      const paused = names.map((name) => redis.hexists(keys.upstreamKey(name), 'paused'));
      return new Map((await Promise.all(paused)).map((is, index) => [names[index] ?? '', is === 1]));
    },
    hear(message) {
      sleepers.wake(message.split(' ').slice(1));
    },
    close() {
      clearInterval(timer);
    },
  };
}

async function runAcquire(redis: Redis, permitId: string, ask: Ask, sets: readonly LimitSet[]): Promise<Reply> {
  return (await runScript(
    redis,
    ACQUIRE,
    sets.flatMap(({ hash, namesHash, buckets, leases }) => [
      hash,
      namesHash,
      ...buckets.flatMap((bucket, index) => [bucket, leases[index] ?? '']),
    ]),
    [
      permitId,
      ask.images,
      ask.tokens,
      LONGEST_SLEEP_MS,
      LEASE_MS,
      limitNamesOf(ask.model)[0] ?? ask.model,
      ...sets.flatMap(({ key, names, further }) => [
        names.length,
        further,
        ...names.flatMap((name) => toToldArgs(key.limits[name])),
      ]),
    ],
  )) as Reply;
}

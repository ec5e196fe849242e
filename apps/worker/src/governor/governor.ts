// Gives out permits: the right to send one request now or after a short sleep, under every limit that holds for its
// model, shared by all workers through Redis. Learns from every reply. Sends nothing itself.
import { randomUUID } from 'node:crypto';
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import type { ToldLimit, ToldLimits } from '@darkroom/shared/base/variables.ts';
import { limitNamesOf } from '@darkroom/shared/models/rules.ts';
import type { Redis } from 'ioredis';
import type { LimitKind, Observation } from './observation.ts';

const ACQUIRE = loadScript(import.meta.url, 'acquire.lua');
const GIVE_BACK = loadScript(import.meta.url, 'give-back.lua');
const STOP_BUCKET = loadScript(import.meta.url, 'stop-bucket.lua');
const LEARN_LIMIT = loadScript(import.meta.url, 'learn-limit.lua');
const PAUSE_KEY = loadScript(import.meta.url, 'pause-key.lua');
const RESUME_KEY = loadScript(import.meta.url, 'resume-key.lua');

/** Longer waits are handed back to the queue instead of slept in the slot. */
export const LONGEST_SLEEP_MS = 5_000;
/** A 429 stops its bucket at least this long: «retry after 0.0 seconds» has been seen (openai-images.md 4.1). */
const SHORTEST_STOP_MS = 1_000;
const FIRST_PROBE_MS = 30_000;
const LONGEST_PROBE_MS = 600_000;
const DEFAULT_BURST_SECONDS = 5;

export interface Permit {
  readonly id: string;
  readonly upstreamKey: string;
  /** Sleep this long before the gate, ms. */
  readonly waitMs: number;
  /** For the gate: hashes whose epochs must still add up to `epoch`. */
  readonly buckets: readonly string[];
  readonly epoch: number;
  readonly upstreamKeyHash: string;
  readonly isProbe: boolean;
  /** Call once, after the reply (`used`) or when nothing was sent (`unused`: its share goes back). */
  giveBack(used: 'used' | 'unused'): Promise<void>;
}

export interface Refused {
  readonly kind: 'rate' | 'busy' | 'paused';
  readonly waitMs: number;
}

export type Acquired = { readonly kind: 'permit'; readonly permit: Permit } | Refused;

export interface Ask {
  readonly model: string;
  readonly images: number;
  /** Estimated tokens, 0 when unknown. */
  readonly tokens: number;
}

export interface Governor {
  /** Why `acquire` would give no permit now; null when it would. Takes nothing. */
  look(ask: Ask): Promise<Refused | null>;
  acquire(ask: Ask): Promise<Acquired>;
  /** Learns from any reply, good or bad. */
  observe(model: string, observation: Observation): Promise<void>;
  /** A 429: the model's bucket stops for as long as told. */
  stop(model: string, observation: Observation): Promise<void>;
  /** The upstream key was refused (401, quota, billing). `probeFailed`: this was the probe. Returns ms until the next probe. */
  pauseKey(upstreamKey: string, error: ServiceError, probeFailed: boolean): Promise<number>;
  /** The key was accepted: if it was paused, it goes on. */
  resumeKey(upstreamKey: string): Promise<boolean>;
  /** Upstream keys and whether they are paused now. */
  pauses(): Promise<ReadonlyMap<string, boolean>>;
  close(): void;
}

export interface GovernorOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly limits: ToldLimits;
  readonly upstreamKey: string;
  /** A lease could not be renewed. */
  readonly onError: (error: unknown) => void;
}

/** A permit counts against `concurrency` while its lease is renewed; a dead worker's permits end this long after it. */
const LEASE_MS = 45_000;
const RENEW_EVERY_MS = 15_000;

export function openGovernor(options: GovernorOptions): Governor {
  const { redis, keys, upstreamKey } = options;
  const upstreamKeyHash = keys.upstreamKey(upstreamKey);
  const bucketOf = (limit: string): string => keys.bucket(upstreamKey, limit);
  const leased = new Map<string, readonly string[]>();
  const renewal = setInterval(() => void renewLeases(redis, leased).catch(options.onError), RENEW_EVERY_MS);

  /** `permitId` '' only looks. */
  const runAcquire = async (permitId: string, ask: Ask) => {
    const names = limitNamesOf(ask.model);
    const told = names.map((name) => options.limits[name]);
    return (await runScript(
      redis,
      ACQUIRE,
      [upstreamKeyHash, ...names.flatMap((name) => [bucketOf(name), keys.leases(upstreamKey, name)])],
      [permitId, ask.images, ask.tokens, LONGEST_SLEEP_MS, LEASE_MS, ...told.flatMap(toAcquireArgs)],
    )) as ['permit' | Refused['kind'], number, number, number];
  };

  return {
    async look(ask) {
      const [kind, waitMs] = await runAcquire('', ask);
      return kind === 'permit' ? null : { kind, waitMs };
    },

    async acquire(ask) {
      const names = limitNamesOf(ask.model);
      const told = names.map((name) => options.limits[name]);
      const permitId = randomUUID();
      const [kind, waitMs, epoch, probe] = await runAcquire(permitId, ask);
      if (kind !== 'permit') return { kind, waitMs };
      const isProbe = probe === 1;
      const leases = names.map((name) => keys.leases(upstreamKey, name));
      leased.set(permitId, leases);
      const giveBack = async (used: 'used' | 'unused'): Promise<void> => {
        leased.delete(permitId);
        await runScript(
          redis,
          GIVE_BACK,
          [upstreamKeyHash, ...names.flatMap((name) => [bucketOf(name), keys.leases(upstreamKey, name)])],
          [permitId, used === 'unused' ? 1 : 0, isProbe ? 1 : 0, ask.images, ask.tokens, ...told.flatMap(toRates)],
        );
      };
      return {
        kind: 'permit',
        permit: {
          id: permitId,
          upstreamKey,
          waitMs,
          buckets: names.map(bucketOf),
          epoch,
          upstreamKeyHash,
          isProbe,
          giveBack,
        },
      };
    },

    async observe(model, observation) {
      const bucket = bucketOf(limitNamesOf(model)[0] ?? model);
      for (const [kind, limit] of Object.entries(observation.limits) as [LimitKind, number][]) {
        await runScript(redis, LEARN_LIMIT, [bucket], [kind, limit]);
      }
    },

    async stop(model, observation) {
      const name = limitNamesOf(model)[0] ?? model;
      const waitMs = Math.max(SHORTEST_STOP_MS, Math.ceil(observation.retryAfterMs ?? SHORTEST_STOP_MS));
      const burst = options.limits[name]?.burst_seconds ?? DEFAULT_BURST_SECONDS;
      await runScript(redis, STOP_BUCKET, [bucketOf(name)], [waitMs, keys.limitChanges, name, burst]);
    },

    async pauseKey(key, error, probeFailed) {
      const facts = JSON.stringify({
        status: error.status,
        type: error.type,
        code: error.code,
        message: error.message,
      });
      return (await runScript(
        redis,
        PAUSE_KEY,
        [keys.upstreamKey(key)],
        [facts, FIRST_PROBE_MS, LONGEST_PROBE_MS, probeFailed ? 1 : 0, keys.limitChanges, key],
      )) as number;
    },

    async resumeKey(key) {
      return (await runScript(redis, RESUME_KEY, [keys.upstreamKey(key)], [keys.limitChanges, key])) === 1;
    },

    async pauses() {
      return new Map([[upstreamKey, (await redis.hexists(upstreamKeyHash, 'paused')) === 1]]);
    },

    close() {
      clearInterval(renewal);
    },
  };
}

async function renewLeases(redis: Redis, leased: ReadonlyMap<string, readonly string[]>): Promise<void> {
  if (leased.size === 0) return;
  const pipeline = redis.pipeline();
  const until = Date.now() + LEASE_MS;
  for (const [permitId, sets] of leased) {
    for (const set of sets) pipeline.zadd(set, 'XX', until, permitId).pexpire(set, LEASE_MS);
  }
  await pipeline.exec();
}

function toAcquireArgs(told: ToldLimit | undefined): number[] {
  return [told?.concurrency ?? 0, ...toRates(told), told?.burst_seconds ?? DEFAULT_BURST_SECONDS];
}

function toRates(told: ToldLimit | undefined): number[] {
  return [told?.images_per_minute ?? 0, told?.requests_per_minute ?? 0, told?.tokens_per_minute ?? 0];
}

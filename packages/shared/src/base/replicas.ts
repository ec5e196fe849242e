// REDIS_MIN_REPLICAS: a step counts as done only when so many replicas have what it wrote, so that a failover can't take it
// back. Holds for steps that may run twice (first write wins), because that is what happens when the connection breaks.
//
//   step ──▶ written on the master ──WAIT──▶ on the replicas: done
//                   │                  └── not within 1 s: unconfirmed; nothing more is begun until a WAIT succeeds
//                   └── connection lost: the next one may lead to another master, so the step runs again
import type { Redis } from 'ioredis';
import { ServiceError } from './errors.ts';
import { openRedis, type RedisManner, runScript, type Script } from './redis.ts';

const WAIT_MS = 1_000;
/** The master has just become one: what it refuses is asked of the next master. */
const IS_REPLICA_ITSELF = /READONLY|WAIT cannot be used with replica/;

/** `short`: replicas are known to be missing, and the step was not even begun. `unconfirmed`: it ran, on the master at least. */
export type Replicated<T> =
  | { readonly kind: 'done' | 'unconfirmed'; readonly answer: T }
  | { readonly kind: 'short'; readonly answer?: undefined };

export interface Replicas {
  /** Runs a step on the connection of these replicas. Rejects only when the step or the connection does. */
  run<T>(step: () => Promise<T>): Promise<Replicated<T>>;
  /** Whether what has been written so far is on enough replicas. */
  confirm(): Promise<boolean>;
}

/**
 * `redis` is the connection the steps run on, and better no other's: while it waits for replicas, nothing else goes over it.
 * `mark`: a key written before each wait, because a connection that wrote nothing itself would wait for nothing.
 */
export function buildReplicas(redis: Redis, mark: string, wanted: number): Replicas {
  /** Where the last wait succeeded. On any other connection replicas may be missing, so they are asked for first. */
  let confirmedOn: Redis['stream'] | null = null;
  let underWay: Promise<boolean> | null = null;
  let next: Promise<boolean> | null = null;

  const wait = async (): Promise<boolean> => {
    const connection = redis.stream;
    const replies = await redis.pipeline().set(mark, wanted).wait(wanted, WAIT_MS).exec();
    const error = replies?.find(([problem]) => problem !== null)?.[0] ?? null;
    const isConfirmed = error === null && Number(replies?.[1]?.[1] ?? 0) >= wanted;
    confirmedOn = isConfirmed && redis.stream === connection ? connection : null;
    if (error !== null && !IS_REPLICA_ITSELF.test(error.message)) throw error;
    return isConfirmed;
  };

  // One wait at a time: those that come meanwhile share the next, which covers what they have written.
  const confirm = (): Promise<boolean> => {
    next ??= (async () => {
      await underWay?.catch(() => undefined); // its own askers hear of it
      underWay = next;
      next = null;
      return wait();
    })();
    return next;
  };

  return {
    confirm,
    async run(step) {
      for (;;) {
        if (confirmedOn !== redis.stream && !(await confirm())) return { kind: 'short' };
        const connection = redis.stream;
        const answer = await step();
        const isConfirmed = await confirm();
        if (redis.stream === connection) return { kind: isConfirmed ? 'done' : 'unconfirmed', answer };
      }
    },
  };
}

/** What steps run on. */
export interface DurableRedis {
  readonly redis: Redis;
  /** Absent when REDIS_MIN_REPLICAS is 0: the master's word is enough. */
  readonly replicas?: Replicas;
}

interface DurableOptions {
  readonly url: string;
  readonly manner: RedisManner;
  readonly mark: string;
  readonly minReplicas: number;
  readonly onError: (error: Error) => void;
}

/** What steps run on: `redis` itself, or when replicas are wanted a connection of its own; `close` ends only that. */
export async function openDurableRedis(
  redis: Redis,
  { url, manner, mark, minReplicas, onError }: DurableOptions,
): Promise<DurableRedis & { close(): void }> {
  if (minReplicas === 0) return { redis, close: () => undefined };
  const own = await openRedis(url, manner, onError);
  return { redis: own, replicas: buildReplicas(own, mark, minReplicas), close: () => own.disconnect() };
}

/**
 * Runs a step that may run twice, as far as REDIS_MIN_REPLICAS wants it. Throws ServiceError `unavailable` when replicas
 * are missing: `unconfirmed` says what may have happened nevertheless.
 */
export async function runDurably(
  { redis, replicas }: DurableRedis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
  unconfirmed: string,
): Promise<unknown> {
  if (replicas === undefined) return runScript(redis, script, keys, args);
  const { kind, answer } = await replicas.run(() => runScript(redis, script, keys, args));
  if (kind === 'done') return answer;
  throw tooFewReplicas(kind === 'short' ? 'Nothing was done.' : unconfirmed);
}

/** The same for what must not be given up, as a paid answer: tries until enough replicas have it. */
export async function runUntilDurable(
  { redis, replicas }: DurableRedis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  if (replicas === undefined) return runScript(redis, script, keys, args);
  for (;;) {
    const connection = redis.stream;
    const answer = await runScript(redis, script, keys, args);
    while (redis.stream === connection) {
      if ((await replicas.confirm()) && redis.stream === connection) return answer;
    }
  }
}

/** What was recorded before is told again only when a failover can't take it back. Throws ServiceError `unavailable`. */
export async function assertReplicated({ replicas }: Pick<DurableRedis, 'replicas'>): Promise<void> {
  if (replicas === undefined || (await replicas.confirm())) return;
  throw tooFewReplicas('This was recorded before; ask again soon.');
}

function tooFewReplicas(consequence: string): ServiceError {
  return new ServiceError(
    'unavailable',
    `Too few replicas of Darkroom's database answer for anything to be recorded safely. ${consequence}`,
    { headers: { 'retry-after': '2' } },
  );
}

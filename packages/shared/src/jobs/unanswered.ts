// What a client's own retry joins, so that it never buys again (contract section 2): submissions whose final reply has not
// been written, or was written a moment ago and may be lost on its way. OpenAI's SDKs repeat a POST without an idempotency key; the fingerprint of what was asked tells that it is
// the same. An entry is made in the step that records its job or batch, so there is no job without one.
//
//   made with its job ──reply written to the last who waits──▶ written ──15 s──▶ gone for good
//        │  ▲                                                     │
//        │  ├──────────────────── joined by a retry ──────────────┘
//        │  └── joined by a retry ──┐
//        └── client leaves, or its process dies ──▶ nobody waits ──1 h──▶ gone for good
//
// The contract keeps an entry until the reply is written. What Node has written may lie in a proxy whose caller's line has
// just broken, and a retry would then buy again; that weighs more than one that is answered with what was there already.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { readId } from '../base/redis-reply.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/unanswered.lua', `lua/${step}.lua`);
const JOIN = load('join-unanswered');
const END = load('end-asking');

/** A process that has not been heard of for this long is dead, and so are its clients' connections. */
const HEARTBEAT_LIFE_MS = 15_000;
const HEARTBEAT_EVERY_MS = 5_000;

interface UnansweredDeps {
  readonly redis: Redis;
  readonly keys: Keys;
}

/** One client's request, as the steps that record something need it. */
export interface Asking {
  /** Of the route and the canonical body. */
  readonly fingerprint: string;
  /** Names this client among all processes; see `Askers`. */
  readonly asker: string;
  /** It says that it repeats an earlier request. */
  readonly isRetry: boolean;
}

/**
 * The id of the oldest unanswered submission of this fingerprint, of a client that is gone if there is one; else of one
 * whose reply was written in the last 15 s; else null.
 */
export async function joinUnanswered(
  { redis, keys }: UnansweredDeps,
  account: string,
  { fingerprint, asker }: Pick<Asking, 'fingerprint' | 'asker'>,
): Promise<string | null> {
  const id = await runScript(redis, JOIN, [keys.unanswered(account, fingerprint)], [asker]);
  return id === null ? null : readId(id, 'join-unanswered');
}

/** The client waits no longer. `written`: its final reply was handed to its socket whole. Repeating it changes nothing. */
export async function endAsking(
  { redis, keys }: UnansweredDeps,
  account: string,
  { fingerprint, asker }: Pick<Asking, 'fingerprint' | 'asker'>,
  id: string,
  how: 'written' | 'left',
): Promise<void> {
  await runScript(redis, END, [keys.unanswered(account, fingerprint)], [id, asker, how === 'written' ? 1 : 0]);
}

/** The clients of one process. */
export interface Askers {
  /** A name for one more. */
  next(): string;
  /** From now on the clients it still has count as gone. */
  stop(): Promise<void>;
}

/** Shows that this process lives, so that its clients count as there. `onError`: a heartbeat failed; others follow. */
export async function startAskers({ redis, keys }: UnansweredDeps, onError: (error: unknown) => void): Promise<Askers> {
  const process = randomBytes(6).toString('base64url');
  const heartbeat = (): Promise<unknown> => redis.set(keys.apiProcess(process), 1, 'PX', HEARTBEAT_LIFE_MS);
  await heartbeat();
  // Known to the server from the start, so that a step is never sent twice and overtaken by the next one.
  for (const { lua } of [JOIN, END]) await redis.script('LOAD', lua);
  const timer = setInterval(() => void heartbeat().catch(onError), HEARTBEAT_EVERY_MS);
  let count = 0;
  return {
    next: () => `${process}.${(count += 1)}`,
    async stop() {
      clearInterval(timer);
      await redis.del(keys.apiProcess(process)).catch(onError);
    },
  };
}

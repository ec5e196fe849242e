// Opens ioredis clients the way Darkroom needs them, runs Lua steps, and says what of the server's settings would lose
// data. Key names live in base/keys.ts.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';
import { batchWrites } from './batch-writes.ts';
import { ServiceError } from './errors.ts';
import { parseRedisUrl, type SentinelAddress } from './redis-url.ts';
import { WatchedSentinelConnector } from './sentinel-connector.ts';

/** `fast`: a command fails at once while Redis is away (API). `patient`: it waits for Redis to come back (worker, pub/sub). */
export type RedisManner = 'fast' | 'patient';

const MAX_RECONNECT_DELAY_MS = 2_000; // BullMQ's own default reaches 20 s (bullmq.md 0.10)
const OPEN_TIMEOUT_MS = 30_000;
/** A sentinel or master that has not answered by then is away, and the next sentinel is asked. */
const SENTINEL_PATIENCE_MS = 2_000;

/**
 * Commands under way when the connection breaks fail too: ioredis would keep them until Redis is back, and sending a
 * step again makes its answer a lie. A frozen server counts as gone when it has not answered for `socketTimeout` ms.
 */
const FAST = {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  socketTimeout: 3_000,
};
const PATIENT = { maxRetriesPerRequest: null, enableOfflineQueue: true };

/**
 * A connected client of the server, or of the master the sentinels name; after a failover it goes on with the new one.
 * Throws ServiceError `unavailable` when Redis can't be reached within 30 s.
 */
export async function openRedis(url: string, manner: RedisManner, onError: (error: Error) => void): Promise<Redis> {
  const address = parseRedisUrl(url);
  const options = {
    ...(manner === 'fast' ? FAST : PATIENT),
    retryStrategy: reconnectDelayMs,
    reconnectOnError: (error: Error) => afterRefusal(error, manner, onError),
  } satisfies RedisOptions;
  const redis =
    address.kind === 'server'
      ? new Redis(address.url, options)
      : new Redis({ ...options, ...toSentinelOptions(address) });
  redis.on('error', onError);
  batchWrites(redis);
  if (!(await isReadyWithin(redis, OPEN_TIMEOUT_MS))) {
    redis.disconnect();
    throw new ServiceError(
      'unavailable',
      `Redis at ${address.shown} could not be reached within ${OPEN_TIMEOUT_MS / 1_000} s.`,
    );
  }
  return redis;
}

function isReadyWithin(redis: Redis, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** A failover is heard of from the sentinels, so that a client of a frozen master does not wait for it for ever. */
function toSentinelOptions(address: SentinelAddress) {
  return {
    sentinels: address.sentinels.map(({ host, port }) => ({ host, port })),
    name: address.master,
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password }),
    ...(address.sentinelUsername === null ? {} : { sentinelUsername: address.sentinelUsername }),
    ...(address.sentinelPassword === null ? {} : { sentinelPassword: address.sentinelPassword }),
    ...(address.isTls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    db: address.db,
    failoverDetector: true,
    Connector: WatchedSentinelConnector,
    sentinelRetryStrategy: reconnectDelayMs,
    sentinelReconnectStrategy: reconnectDelayMs,
    sentinelCommandTimeout: SENTINEL_PATIENCE_MS,
    connectTimeout: SENTINEL_PATIENCE_MS,
  } satisfies RedisOptions;
}

function reconnectDelayMs(times: number): number {
  return Math.min(100 * times, MAX_RECONNECT_DELAY_MS);
}

/**
 * A server that has become a replica refuses what would write: its client looks for the master anew. What was refused has
 * changed nothing, so a patient client may send it again (2); a fast one fails (1). Other errors are answers (false).
 */
function afterRefusal(error: Error, manner: RedisManner, onError: (error: Error) => void): 1 | 2 | false {
  if (!/\bREADONLY\b/.test(error.message)) return false;
  onError(error);
  return manner === 'fast' ? 1 : 2;
}

/** A Lua step: one file, preceded by the files it builds on. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** Reads Lua files relative to `base` (an `import.meta.url`); the last is the step, those before it are its library. */
export function loadScript(base: string, ...files: readonly string[]): Script {
  const lua = files.map((file) => readFileSync(new URL(file, base), 'utf8')).join('\n');
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** Runs a step atomically; loads it when the server doesn't know it yet. */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return redis.eval(script.lua, keys.length, ...keys, ...args);
  }
}

/**
 * Settings of this server under which a killed or full Redis loses jobs, and replicas that are missing; empty when all is
 * well or can't be asked.
 */
export async function findDurabilityProblems(redis: Redis, minReplicas: number): Promise<string[]> {
  const problems: string[] = [];
  const replicas = minReplicas === 0 ? 0 : await countReplicas(redis);
  if (replicas < minReplicas) {
    const count = replicas === 1 ? '1 replica is' : `${replicas} replicas are`;
    problems.push(`${count} connected and REDIS_MIN_REPLICAS is ${minReplicas}: nothing is accepted or sent`);
  }
  const append = await readSetting(redis, 'appendonly');
  if (append === 'no') problems.push('appendonly is off: a killed Redis loses jobs; set appendonly yes');
  const policy = await readSetting(redis, 'maxmemory-policy');
  if (policy !== null && policy !== 'noeviction')
    problems.push(`maxmemory-policy is ${policy}: a full Redis drops jobs; set noeviction`);
  return problems;
}

async function countReplicas(redis: Redis): Promise<number> {
  const online = (await redis.info('replication')).match(/^slave\d+:.*state=online/gm);
  return online?.length ?? 0;
}

async function readSetting(redis: Redis, name: string): Promise<string | null> {
  try {
    const reply = await redis.config('GET', name);
    return reply[1] ?? null;
  } catch {
    return null; // managed servers refuse CONFIG; nothing can be said then
  }
}

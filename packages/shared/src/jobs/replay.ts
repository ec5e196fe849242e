// Whether an idempotency key has made something already. A look ahead, so that nothing is fetched or stored for a request
// that repeats another; what counts is the same question in the step that records a job or batch.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { RedisReplyError, readId } from '../base/redis-reply.ts';
import type { Idempotency } from './steps.ts';

export type Replay = { readonly kind: 'new' } | { readonly kind: 'exists' | 'conflict'; readonly id: string };

/** `exists`: made by the same request; `conflict`: by another. */
export async function findReplay(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  account: string,
  { keyHash, fingerprint }: Idempotency,
): Promise<Replay> {
  const key = keys.idempotency(account, keyHash);
  const found: unknown = await redis.hmget(key, 'job', 'fingerprint');
  if (!Array.isArray(found) || found.length !== 2) throw new RedisReplyError(key, 'two fields', found);
  const [id, earlier] = found;
  if (id === null) return { kind: 'new' };
  return { kind: earlier === fingerprint ? 'exists' : 'conflict', id: readId(id, key) };
}

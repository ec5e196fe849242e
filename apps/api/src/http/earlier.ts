// What a request repeats: what its idempotency key has made, or what a client's own earlier try has made whose reply never
// arrived. Both are found before anything is fetched, stored or counted.
import { assertReplicated } from '@darkroom/shared/base/replicas.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { findReplay } from '@darkroom/shared/jobs/replay.ts';
import type { Idempotency } from '@darkroom/shared/jobs/steps.ts';
import { type Asking, joinUnanswered } from '@darkroom/shared/jobs/unanswered.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { Client } from './client.ts';
import { keyReuse, readIdempotency } from './idempotency.ts';

/** A submitted job or batch, and how it came to be. */
export interface Submitted {
  readonly id: string;
  readonly how: 'created' | 'replayed' | 'joined';
  /** Of a job that has just been created: its record as it was made, and how many calls go before its first one. */
  readonly record?: JobRecord;
  readonly ahead?: number;
}

/** What tells whether something is the same. An idempotency key says so itself; without one the client's retries do. */
export interface Sameness {
  readonly idempotency: Idempotency | null;
  readonly asking: Asking | null;
}

/** Throws ServiceError `invalid_value` for a key that is none. */
export function samenessOf(request: FastifyRequest, client: Client, fingerprint: string): Sameness {
  const idempotency = readIdempotency(request.headers['idempotency-key'], fingerprint);
  return { idempotency, asking: idempotency === null ? client.asking(fingerprint) : null };
}

/** null: it is new. Throws ServiceError `idempotency_key_reuse`, and `unavailable` when a failover could still take it back. */
export async function findEarlier(
  deps: Pick<Deps, 'redis' | 'keys' | 'submit'>,
  account: string,
  client: Client,
  { idempotency, asking }: Sameness,
): Promise<Submitted | null> {
  if (idempotency !== null) {
    const replay = await findReplay(deps, account, idempotency);
    if (replay.kind === 'conflict') throw keyReuse();
    if (replay.kind !== 'exists') return null;
    await assertReplicated(deps.submit.steps);
    return { id: replay.id, how: 'replayed' };
  }
  if (asking?.isRetry !== true) return null;
  const id = await joinUnanswered(deps, account, asking);
  if (id === null) return null;
  await assertReplicated(deps.submit.steps);
  client.waitsFor(asking.fingerprint, id);
  return { id, how: 'joined' };
}

type Recorded = {
  readonly kind: 'created' | 'exists' | 'joined' | 'closed' | 'conflict';
  readonly id: string;
  readonly record?: JobRecord;
  readonly ahead?: number;
};

/** What the step that records has answered. Throws ServiceError `idempotency_key_reuse`. */
export function toSubmitted({ kind, id, ...made }: Recorded, client: Client, { asking }: Sameness): Submitted {
  if (kind === 'conflict') throw keyReuse();
  if (asking !== null) client.waitsFor(asking.fingerprint, id);
  if (kind === 'joined') return { id, how: 'joined' };
  return kind === 'created' ? { id, how: 'created', ...made } : { id, how: 'replayed' };
}

/** Tells the caller that it got something made before. */
export function sayEarlier(reply: FastifyReply, { how }: Submitted): void {
  if (how === 'replayed') void reply.header('idempotent-replayed', 'true');
  if (how === 'joined') void reply.header('x-darkroom-joined', 'true');
}

// Events on their way to becoming webhooks, and webhooks on theirs: nothing may wait where nobody looks, or for ever.
import { toBatchRecord } from '@darkroom/shared/batches/record.ts';
import { toJobRecord } from '@darkroom/shared/jobs/record.ts';
import { parseOutboxLine } from '@darkroom/shared/webhooks/event.ts';
import type { Audit } from './audit.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

const LONG_MS = 3_600_000;
const LINES_LOOKED_AT = 100;

/** Events of one host that are no deliveries yet. */
export async function auditOutbox(audit: Audit, host = ''): Promise<void> {
  const { redis, keys, book } = audit;
  const look = async (): Promise<Finding[]> => {
    const lines = await redis.zrange(keys.outboxOf(host), '0', String(LINES_LOOKED_AT - 1));
    const isListed = (await redis.zscore(keys.outbox, host)) !== null;
    const say = (detail: string): Finding => ({ kind: 'outbox_stuck', subject: host, detail });
    if (lines.length > 0 && !isListed) return [say('is on no list')];
    const old: Finding[] = [];
    for (const line of lines) if (await isOld(audit, line)) old.push(say(line));
    return old;
  };
  await book.suspect(await look(), look);
}

/** A line's own time is that of its last lease; what it is about tells since when it can wait. */
async function isOld({ redis, keys }: Audit, line: string): Promise<boolean> {
  const subject = parseOutboxLine(line)?.subject ?? '';
  const before = Date.now() - LONG_MS;
  if (subject.startsWith('batch_')) {
    const hash = await redis.hgetall(keys.batch(subject));
    const batch = parsed(() => toBatchRecord(hash, subject));
    return batch === null || Math.max(...Object.values(batch.at), batch.createdAt) < before;
  }
  const hash = await redis.hgetall(keys.job(subject));
  const job = parsed(() => toJobRecord(hash, subject));
  return job === null || (job.finishedAt ?? job.createdAt) < before;
}

/** One host's deliveries. */
export async function auditReceiver({ redis, keys, book }: Audit, host = ''): Promise<void> {
  const receiver = keys.receiver(host);
  const look = async (): Promise<Finding[]> => {
    const before = Date.now() - LONG_MS;
    const [waiting, queued, listed, failures] = await Promise.all([
      redis.zcount(`${receiver}:waiting`, '-inf', before),
      redis.zcount(`${receiver}:queued`, '-inf', before),
      redis.zscore(keys.receivers, host),
      redis.hget(receiver, 'failures'),
    ]);
    const isThere = (await redis.exists(`${receiver}:waiting`, `${receiver}:queued`)) > 0;
    const kind = Number(failures ?? 0) > 0 ? 'delivery_waits' : 'delivery_stuck';
    return [
      ...(isThere && listed === null
        ? [{ kind: 'delivery_stuck' as const, subject: host, detail: 'is on no list' }]
        : []),
      ...(waiting > 0 ? [{ kind, subject: host, detail: 'waiting' } as const] : []),
      ...(queued > 0 ? [{ kind: 'delivery_stuck' as const, subject: host, detail: 'queued' }] : []),
    ];
  };
  await book.suspect(await look(), look);
}

export async function auditDelivery({ redis, keys, book }: Audit, eventId = ''): Promise<void> {
  book.looked.deliveries += 1;
  const look = async (): Promise<Finding[]> => {
    const [state, host] = await redis.hmget(keys.delivery(eventId), 'state', 'host');
    if (state !== 'pending') return [];
    const receiver = keys.receiver(host ?? '');
    const [waiting, queued] = await Promise.all([
      redis.zscore(`${receiver}:waiting`, eventId),
      redis.zscore(`${receiver}:queued`, eventId),
    ]);
    const isSomewhere = waiting !== null || queued !== null;
    return isSomewhere ? [] : [{ kind: 'delivery_lost', subject: eventId, detail: `to ${host}` }];
  };
  await book.suspect(await look(), look);
}

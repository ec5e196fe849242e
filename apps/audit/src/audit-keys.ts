// One walk through all keys of the installation, for what no list has to lead to: jobs missing from their lists, batches,
// files, input images, events and webhooks.
import type { Audit } from './audit.ts';
import { auditBatch } from './audit-batches.ts';
import { auditFile, auditInput } from './audit-files.ts';
import { auditListing } from './audit-listing.ts';
import { auditDelivery, auditOutbox, auditReceiver } from './audit-webhooks.ts';
import { eachLimited } from './each-limited.ts';

/** They take Redis 0.4 ms; 1,000 took 5. */
const KEYS_A_STEP = 250;
const AT_ONCE = 25;
/** Each reads all its jobs. */
const BATCHES_AT_ONCE = 1;

interface Walk {
  readonly pattern: RegExp;
  readonly atOnce: number;
  readonly look: (audit: Audit, ...parts: string[]) => Promise<void>;
}

const WALKS: readonly Walk[] = [
  { pattern: /^job:([^:]+)$/, atOnce: AT_ONCE, look: auditListing },
  { pattern: /^batch:([^:]+)$/, atOnce: BATCHES_AT_ONCE, look: auditBatch },
  { pattern: /^file:([^:]+)$/, atOnce: AT_ONCE, look: auditFile },
  { pattern: /^input:([^:]+):([^:]+)$/, atOnce: AT_ONCE, look: auditInput },
  { pattern: /^outbox:(.+)$/, atOnce: AT_ONCE, look: auditOutbox },
  { pattern: /^receiver:(.+):(?:waiting|queued)$/, atOnce: AT_ONCE, look: auditReceiver },
  { pattern: /^delivery:([^:]+)$/, atOnce: AT_ONCE, look: auditDelivery },
];

export async function auditKeys(audit: Audit): Promise<void> {
  const { redis, keys } = audit;
  const root = `${keys.queuePrefix}:`;
  for await (const found of redis.scanStream({ match: `${root}*`, count: KEYS_A_STEP })) {
    const inside = (found as string[]).map((key) => key.slice(root.length));
    for (const { pattern, atOnce, look } of WALKS) {
      const matches = inside.flatMap((key) => pattern.exec(key)?.slice(1).join(' ') ?? []);
      await eachLimited([...new Set(matches)], atOnce, (parts) => look(audit, ...parts.split(' ')));
    }
  }
}

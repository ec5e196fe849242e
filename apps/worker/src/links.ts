// Links for what outlives a reply: webhooks and batch files. Same secret and address as the API's own.
import { randomBytes } from 'node:crypto';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { buildLinkMaker } from '@darkroom/shared/jobs/links.ts';
import type { LinkMaker } from '@darkroom/shared/jobs/public-job.ts';
import type { Redis } from 'ioredis';
import type { WorkerConfig } from './config.ts';

/** A webhook may be delivered days late; a batch file is read when its owner comes round to it (contract section 3). */
const LINK_LIFE_MS = 7 * 86_400_000;
/** Only until an API has recorded its address. */
const FALLBACK_URL = 'http://localhost:3000';

/** Read anew for each use: an API may record its address, or another secret, at any time. */
export async function readLinkMaker(redis: Redis, keys: Keys, config: WorkerConfig): Promise<LinkMaker> {
  return buildLinkMaker({
    storagePublicUrl: config.STORAGE_PUBLIC_URL,
    publicUrl: config.PUBLIC_URL ?? (await redis.get(keys.publicUrl)) ?? FALLBACK_URL,
    secret: config.SIGNING_SECRET ?? (await sharedSecret(redis, keys)),
    ttlMs: LINK_LIFE_MS,
  });
}

/** The secret all processes share, made by the first that needs it. */
async function sharedSecret(redis: Redis, keys: Keys): Promise<string> {
  await redis.set(keys.signingSecret, randomBytes(32).toString('base64url'), 'NX');
  const secret = await redis.get(keys.signingSecret);
  if (secret === null) throw new Error('the signing secret could not be kept in Redis');
  return secret;
}

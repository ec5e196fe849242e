// Links to a job's images, as they stand in replies, webhooks and batch files.
import { signImageUrl } from '../images/signed-links.ts';
import type { LinkMaker } from './public-job.ts';

export interface LinkSettings {
  /** Address under which the storage itself is public; links are this + key then, for ever. */
  readonly storagePublicUrl: string | null;
  readonly publicUrl: string;
  readonly secret: string;
  /** How long a signed link holds, ms. */
  readonly ttlMs: number;
}

/** Public storage addresses when there are any, else signed links to the API. */
export function buildLinkMaker({ storagePublicUrl, publicUrl, secret, ttlMs }: LinkSettings): LinkMaker {
  if (storagePublicUrl !== null) return (image) => ({ url: `${storagePublicUrl}/${image.key}`, expiresAt: null });
  return (_, imageId) => {
    const expiresAtSeconds = Math.ceil((Date.now() + ttlMs) / 1_000);
    return { url: signImageUrl({ publicUrl, imageId, secret, expiresAtSeconds }), expiresAt: expiresAtSeconds };
  };
}

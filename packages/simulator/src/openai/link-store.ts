/**
 * Results handed out as links (DALL-E), shaped like the Azure SAS links of the real service: path
 * /private/org-X/user-Y/img-Z.png, query st, se, sp, sv, sr, rscd, rsct, sig. They die after their time to live.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ORGANIZATION } from './rate-limit-replies.ts';

interface Linked {
  bytes: Buffer;
  contentType: string;
  expiresAtMs: number;
  /** Set by the dead_link fault: the status every download answers. */
  deadStatus: number | null;
}

export interface LinkOptions {
  /** The link names its end. */
  readonly ttlMs: number;
  /** Of the `dead_link` fault: the status every download answers. */
  readonly deadStatus: number | null;
}

export type Download = { status: 200; bytes: Buffer; contentType: string } | { status: number; code: string };

const USER = 'user-simulator00000000000';
/** A link is said to be valid from an hour before its making on (seen in real links). */
const START_BEFORE_MS = 3_600_000;
/** Oldest results are dropped past this, so that a long run cannot fill the memory. */
const MAX_BYTES = 512 * 1024 * 1024;

export class LinkStore {
  readonly #linked = new Map<string, Linked>();
  readonly #secret = randomBytes(32);
  #bytes = 0;

  /** Path and query of a new link. */
  add(bytes: Buffer, contentType: string, nowMs: number, { ttlMs, deadStatus }: LinkOptions): string {
    const extension = contentType.replace('image/', '');
    const path = `/private/${ORGANIZATION}/${USER}/img-${randomBytes(12).toString('hex')}.${extension}`;
    this.#linked.set(path, { bytes, contentType, expiresAtMs: nowMs + ttlMs, deadStatus });
    this.#bytes += bytes.length;
    this.#dropOldest();
    const query = new URLSearchParams({
      st: isoSeconds(nowMs - START_BEFORE_MS),
      se: isoSeconds(nowMs + ttlMs),
      sp: 'r',
      sv: '2024-08-04',
      sr: 'b',
      rscd: 'inline',
      rsct: contentType,
    });
    query.set('sig', this.#sign(path, query));
    return `${path}?${query.toString()}`;
  }

  /** What a GET of this path and query answers at this time. */
  download(url: URL, nowMs: number): Download {
    const query = new URLSearchParams(url.searchParams);
    const given = query.get('sig') ?? '';
    query.delete('sig');
    if (!sameText(given, this.#sign(url.pathname, query))) return { status: 403, code: 'AuthenticationFailed' };
    const linked = this.#linked.get(url.pathname);
    if (linked === undefined) return { status: 404, code: 'BlobNotFound' };
    if (linked.deadStatus !== null) {
      return { status: linked.deadStatus, code: linked.deadStatus === 404 ? 'BlobNotFound' : 'AuthenticationFailed' };
    }
    if (nowMs >= linked.expiresAtMs) return { status: 403, code: 'AuthenticationFailed' };
    return { status: 200, bytes: linked.bytes, contentType: linked.contentType };
  }

  #sign(path: string, query: URLSearchParams): string {
    return createHmac('sha256', this.#secret).update(`${path}?${query.toString()}`).digest('base64');
  }

  #dropOldest(): void {
    for (const [path, linked] of this.#linked) {
      if (this.#bytes <= MAX_BYTES || this.#linked.size === 1) return;
      this.#linked.delete(path);
      this.#bytes -= linked.bytes.length;
    }
  }
}

function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function sameText(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

// One paid image: fetched if the reply held a link, measured, stored under its fixed key. What can't be kept now is said to
// be for later; who keeps it meanwhile is for settle-answer.ts and drain-answer.ts to say.
import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { toUsd } from '@darkroom/shared/base/units.ts';
import type { KeepOptions, StoredImage } from '@darkroom/shared/images/beside-image.ts';
import { downloadResult } from '@darkroom/shared/images/download.ts';
import { readHeader } from '@darkroom/shared/images/inspect.ts';
import { type SaveOptions, saveImage, saveUnlessStored } from '@darkroom/shared/images/save-image.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { AttemptRow, ImageRow, JobRecord, StoredError } from '@darkroom/shared/jobs/record.ts';
import type { AnswerId } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import type { ReplyImage } from '../upstream/reply.ts';

export interface ImageBytes {
  readonly index: number;
  readonly revisedPrompt: string | null;
  readonly bytes: Uint8Array;
}

/** Paid, and never to be had: its link has ended, or the reply held bytes that are no image. */
export interface LostImage {
  readonly kind: 'lost';
  readonly error: StoredError;
}

export type Fetched =
  | { readonly kind: 'fetched'; readonly image: ImageBytes }
  /** Not now: what its link leads to is no image, or nothing. */
  | { readonly kind: 'unfetched'; readonly reason: string; readonly unreadable?: ImageBytes };

export type Stored = { readonly kind: 'kept'; readonly row: ImageRow } | LostImage;

export type Kept =
  | Stored
  /** Not now: storage is away. */
  | { readonly kind: 'unstored'; readonly image: ImageBytes; readonly reason: string };

type AttemptFacts = Pick<AttemptRow, 'requestId' | 'costMicroUsd'>;

/** What is told beside an image of the attempt that brought it. */
export type Source = AttemptFacts & Pick<AnswerId, 'call' | 'seq'>;

/**
 * Follows a link, once. Whatever it leads to, the image may come yet: a new one may not have reached every server of its host,
 * a host may be away, say so in a page of its own, or be one that may not be asked before somebody sets that right. When it
 * is too late whoever drains the spool says (drain-links.ts).
 */
export async function fetchImage(deps: Deps, index: number, image: ReplyImage, signal?: AbortSignal): Promise<Fetched> {
  const { revisedPrompt } = image;
  if (image.kind === 'bytes') return { kind: 'fetched', image: { index, revisedPrompt, bytes: image.bytes } };
  const download = await downloadResult(deps.resultAgent, image.url, signal === undefined ? {} : { signal });
  if (download.kind !== 'ok') return { kind: 'unfetched', reason: download.reason };
  const { bytes, contentType } = download;
  if (await isImage(bytes)) return { kind: 'fetched', image: { index, revisedPrompt, bytes } };
  const reason = `it leads to no image (${contentType?.slice(0, 100) ?? 'of no type'})`;
  return { kind: 'unfetched', reason, unreadable: { index, revisedPrompt, bytes } };
}

async function isImage(bytes: Uint8Array): Promise<boolean> {
  try {
    await readHeader(bytes);
    return true;
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'invalid_image') return false;
    throw error;
  }
}

/** Then the worker that has the answer goes on to other work, and whoever drains the spool follows the link. */
const FETCH_WAIT_MS = 5_000;

/** The same, but a host that is away for a moment is asked again. */
export async function fetchSoon(deps: Deps, index: number, image: ReplyImage): Promise<Fetched> {
  const giveUpAt = Date.now() + FETCH_WAIT_MS;
  for (let tries = 1; ; tries += 1) {
    const fetched = await fetchImage(deps, index, image);
    const pauseMs = 250 * 2 ** tries;
    if (fetched.kind !== 'unfetched' || Date.now() + pauseMs > giveUpAt) return fetched;
    await sleep(pauseMs);
  }
}

type Save = (store: Deps['store'], options: SaveOptions) => Promise<StoredImage>;

/** Puts bytes into storage as the job's image. A storage that fails opens the breaker. */
export async function storeImage(deps: Deps, record: JobRecord, source: Source, image: ImageBytes): Promise<Kept> {
  return await orUnstored(deps, image, tryToStore(deps, record, source, image));
}

async function orUnstored(deps: Deps, image: ImageBytes, storing: Promise<Stored>): Promise<Kept> {
  try {
    return await storing;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    deps.breaker.trip(error.message);
    return { kind: 'unstored', image, reason: error.message };
  }
}

/**
 * The first one stored wins, as in the record: the late answer of a frozen worker must not replace what was delivered
 * meanwhile, however late its put arrives. The row tells of what lies in storage. Throws StorageError.
 */
export async function tryToStore(deps: Deps, record: JobRecord, source: Source, image: ImageBytes): Promise<Stored> {
  return await storeBy(saveUnlessStored, deps, record, source, image);
}

async function storeBy(
  save: Save,
  deps: Deps,
  record: JobRecord,
  source: Source,
  image: ImageBytes,
  signal?: AbortSignal,
): Promise<Stored> {
  const { index, bytes } = image;
  const options: KeepOptions = {
    ...keepOptionsOf(record, index, source),
    ...(signal === undefined ? {} : { signal }),
  };
  try {
    const stored = await save(deps.store, { ...options, bytes });
    const revisedPrompt = isOther(options, stored, image) ? null : image.revisedPrompt;
    return { kind: 'kept', row: { index, revisedPrompt, ...stored } };
  } catch (error) {
    if (error instanceof ServiceError && !(error instanceof StorageError)) return lostImage(error.message, source);
    throw error;
  }
}

/**
 * Whether another answer's image was first: the prompt of this one is not its. A scaled one can't be told, and is taken for
 * this one.
 */
function isOther({ downscaleTo }: KeepOptions, stored: StoredImage, { revisedPrompt, bytes }: ImageBytes): boolean {
  if (downscaleTo || revisedPrompt === null) return false;
  return stored.bytes !== bytes.length || stored.sha256 !== hash('sha256', bytes);
}

/** Longer than this the bytes of a paid image are not to be in memory alone. */
const STORE_WAIT_MS = 5_000;

/**
 * The same, but a storage that takes its time, or that fails for others meanwhile, is not waited for: the tries of one put may
 * take long. Storing goes on until `signal` aborts.
 */
export async function storeSoon(
  deps: Deps,
  record: JobRecord,
  source: Source,
  image: ImageBytes,
  signal: AbortSignal,
): Promise<Kept> {
  if (deps.breaker.isOpen) return { kind: 'unstored', image, reason: 'The image storage is away.' };
  const enough = Promise.withResolvers<null>();
  const timer = setTimeout(() => enough.resolve(null), STORE_WAIT_MS);
  const forget = deps.breaker.onOpen(() => enough.resolve(null));
  // Of an answer that has just come nothing is there, and a disk, unlike some S3 servers, would not replace it: a look took 1 ms
  // of the 11 from a reply of 1 MB to its record.
  const save = deps.store.kind === 'disk' ? saveImage : saveUnlessStored;
  const put = orUnstored(deps, image, storeBy(save, deps, record, source, image, signal)).catch(
    (error: unknown): Kept => {
      // Redis away while the storage's mark is read, a fault of ours: whatever it is, the bytes are kept.
      deps.log.error({ err: error, jobId: record.id, index: image.index }, 'storing a paid image went wrong');
      return { kind: 'unstored', image, reason: 'Storing it went wrong.' };
    },
  );
  const storing = deps.putTimes.watch(put, ({ kind }) => kind !== 'unstored');
  const kept = await Promise.race([storing, enough.promise]).finally(() => {
    clearTimeout(timer);
    forget();
  });
  if (kept !== null) return kept;
  const reason = `The image was not stored within ${STORE_WAIT_MS} ms.`;
  deps.breaker.doubt(reason);
  return { kind: 'unstored', image, reason };
}

export function lostImage(reason: string, { requestId }: AttemptFacts): LostImage {
  const { code, type, message, param, status } = new ServiceError(
    'result_lost',
    `The image was made and paid for, but could not be kept: ${reason}.`,
  );
  return { kind: 'lost', error: { code, type, message, param, status, requestId: requestId ?? null } };
}

/** Where image `index` of a job goes, and what is written beside it. Metadata never holds the prompt, provenance does. */
export function keepOptionsOf(record: JobRecord, index: number, source: Source): KeepOptions {
  const { spec } = record;
  const cost = toUsd(source.costMicroUsd ?? null);
  const facts = {
    job_id: record.id,
    index: String(index),
    model: spec.model,
    size: toText(spec.body['size']),
    quality: toText(spec.body['quality']),
  };
  return {
    account: spec.account,
    jobId: record.id,
    index,
    outputFormat: spec.outputFormat,
    downscaleTo: spec.downscaleTo,
    metadata: facts,
    attempt: {
      call: String(source.call),
      attempt: String(source.seq),
      call_cost_usd: cost === null ? 'unknown' : String(cost),
      upstream_request_id: source.requestId ?? 'unknown',
    },
    provenance: {
      ...facts,
      index,
      requested_model: spec.requestedModel,
      operation: spec.operation,
      sent_as: spec.sentAs,
      // Input images are named by their hash, never kept a second time.
      request: spec.body,
      created_at: new Date(record.createdAt).toISOString(),
    },
  };
}

function toText(value: unknown): string {
  return typeof value === 'string' ? value : 'auto';
}

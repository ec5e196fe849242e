// Reads STORAGE_URL and opens the store it names.
import { openDiskStore, openDiskStoreAsIs } from './disk.ts';
import type { S3Credentials } from './s3-client.ts';
import type { ImageStore } from './store.ts';

export type StorageLocation =
  | { readonly kind: 'disk'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

export interface OpenStoreOptions {
  readonly url: string;
  readonly forcePathStyle?: boolean | undefined;
  /** The S3 server's URL, when it is not AWS (AWS_ENDPOINT_URL_S3). */
  readonly endpoint?: string | undefined;
  /** AWS_REGION. Default: us-east-1 when an endpoint is set, else the SDK's own chain. */
  readonly region?: string | undefined;
  /** Default: the SDK's own chain. */
  readonly credentials?: S3Credentials | undefined;
  /** Nothing is made or tried at the opening; a folder that is not there is an error. */
  readonly asIs?: boolean | undefined;
}

const ALLOWED = 'file:./data/images, file:/var/images or s3://bucket/prefix';
/** AWS's naming rules, 2026-11; other servers allow no more. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\/){0,10}$/;

/**
 * `file:` + a plain path (no host, no percent-encoding), or `s3://bucket/prefix`. The prefix comes back empty or ending
 * with `/`. Throws RangeError that names the value and what is allowed.
 */
export function parseStorageUrl(url: string): StorageLocation {
  const [, path] = /^file:(?:\/\/(?=\/))?(.+)$/.exec(url) ?? [];
  if (path !== undefined && !path.startsWith('//') && !path.includes('\0')) return { kind: 'disk', path };
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)\/?(.*)$/.exec(url) ?? [];
  const prefix = rest === '' || rest.endsWith('/') ? rest : `${rest}/`;
  if (BUCKET.test(bucket) && PREFIX.test(prefix) && !prefix.includes('..')) return { kind: 's3', bucket, prefix };
  throw new RangeError(`the storage URL may be ${ALLOWED}; it was ${JSON.stringify(url)}`);
}

/** Opens the store at `options.url`. Throws RangeError for a bad URL, StorageError for a folder that cannot be written. */
export async function openStore(options: OpenStoreOptions): Promise<ImageStore> {
  const location = parseStorageUrl(options.url);
  if (location.kind === 'disk') return await (options.asIs ? openDiskStoreAsIs : openDiskStore)(location.path);
  const { endpoint, region, credentials, forcePathStyle = false } = options;
  if (endpoint !== undefined && !URL.canParse(endpoint)) {
    throw new RangeError(
      `the S3 endpoint may be a URL such as http://127.0.0.1:8333; it was ${JSON.stringify(endpoint)}`,
    );
  }
  // Its SDK takes 0.1 s and 9 MB to load, which a service with a disk does without.
  const { openS3Store } = await import('./s3.ts');
  return openS3Store({
    bucket: location.bucket,
    prefix: location.prefix,
    forcePathStyle,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
  });
}

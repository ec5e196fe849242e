// An object's size, type and metadata as S3 tells and takes them.
import type { GetObjectCommandOutput, HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { assertContentType, decodeValue, encodeValue, toMetadata } from './metadata.ts';
import type { ObjectInfo, PutOptions } from './store.ts';

/** The whole object's size: a reply to a range tells it behind the slash of `bytes 0-9/1000`. */
function sizeOf(found: GetObjectCommandOutput | HeadObjectCommandOutput): number {
  const total = /\/(\d+)$/.exec(found.ContentRange ?? '')?.[1];
  return total === undefined ? (found.ContentLength ?? 0) : Number(total);
}

export function toInfo(key: string, found: GetObjectCommandOutput | HeadObjectCommandOutput): ObjectInfo {
  const bytes = sizeOf(found);
  const lastModified = found.LastModified?.getTime() ?? 0;
  const metadata = Object.entries(found.Metadata ?? {}).map(([name, value]) => [name, decodeValue(value)]);
  return {
    key,
    bytes,
    contentType: found.ContentType ?? 'application/octet-stream',
    metadata: Object.fromEntries(metadata),
    etag: found.ETag ?? `"${bytes}-${lastModified}"`,
    lastModified,
  };
}

/** Throws TypeError for what is no content type. */
export function describe({ contentType, metadata }: PutOptions): {
  ContentType: string;
  Metadata: Record<string, string>;
} {
  assertContentType(contentType);
  const pairs = Object.entries(toMetadata(metadata)).map(([name, value]) => [name, encodeValue(value)]);
  return { ContentType: contentType, Metadata: Object.fromEntries(pairs) };
}

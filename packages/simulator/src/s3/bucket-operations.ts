/** ListBuckets, CreateBucket, HeadBucket, ListObjectsV2, DeleteObjects. */
import { readPayload } from './read-payload.ts';
import { requireBucket, type S3Call, sendEmpty, sendXml } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { element, textsOf, xmlDocument } from './xml.ts';

const MAX_KEYS = 1000;

export function listBuckets(call: S3Call): void {
  const buckets = call.store.buckets.map((name) => `<Bucket>${element('Name', name)}</Bucket>`).join('');
  sendXml(call, xmlDocument('ListAllMyBucketsResult', `<Buckets>${buckets}</Buckets>`));
}

export function createBucket(call: S3Call): void {
  if (call.store.hasBucket(call.bucket)) throw new S3Error('BucketAlreadyOwnedByYou');
  call.store.addBucket(call.bucket);
  sendEmpty(call, 200, { location: `/${call.bucket}` });
}

export function headBucket(call: S3Call): void {
  requireBucket(call);
  sendEmpty(call, 200);
}

/** Version 2: prefix, delimiter, start-after, max-keys, continuation-token, encoding-type. */
export function listObjects(call: S3Call): void {
  const { query } = call;
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const limit = Math.min(MAX_KEYS, Number(query.get('max-keys') ?? MAX_KEYS));
  const token = query.get('continuation-token');
  const after = token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString('utf8');
  const entries = listEntries(call, prefix, delimiter).filter(({ name }) => Buffer.from(name) > Buffer.from(after));
  const page = entries.slice(0, limit);
  const truncated = entries.length > page.length;
  const encode = query.get('encoding-type') === 'url' ? encodeKey : (text: string) => text;
  const last = page.at(-1)?.name ?? '';
  sendXml(
    call,
    xmlDocument(
      'ListBucketResult',
      element('Name', call.bucket) +
        element('Prefix', encode(prefix)) +
        (delimiter === '' ? '' : element('Delimiter', encode(delimiter))) +
        element('MaxKeys', limit) +
        element('KeyCount', page.length) +
        element('EncodingType', query.get('encoding-type') ?? undefined) +
        element('IsTruncated', truncated) +
        element('ContinuationToken', token ?? undefined) +
        element('NextContinuationToken', truncated ? Buffer.from(last).toString('base64url') : undefined) +
        page.map((entry) => entry.xml(encode)).join(''),
    ),
  );
}

interface Entry {
  name: string;
  xml(encode: (text: string) => string): string;
}

/** Objects, and in the place of those behind a delimiter their common prefix, in order. */
function listEntries(call: S3Call, prefix: string, delimiter: string): Entry[] {
  const entries = new Map<string, Entry>();
  for (const object of call.store.list(call.bucket)) {
    if (!object.key.startsWith(prefix)) continue;
    const cut = delimiter === '' ? -1 : object.key.indexOf(delimiter, prefix.length);
    if (cut >= 0) {
      const name = object.key.slice(0, cut + delimiter.length);
      entries.set(name, {
        name,
        xml: (encode) => `<CommonPrefixes>${element('Prefix', encode(name))}</CommonPrefixes>`,
      });
      continue;
    }
    const { key, etag, lastModified, data } = object;
    const facts =
      element('LastModified', lastModified.toISOString()) + element('ETag', etag) + element('Size', data.length);
    const xml = (encode: (text: string) => string) =>
      `<Contents>${element('Key', encode(key))}${facts}${element('StorageClass', 'STANDARD')}</Contents>`;
    entries.set(key, { name: key, xml });
  }
  return [...entries.values()];
}

export async function deleteObjects(call: S3Call): Promise<void> {
  const xml = (await readPayload(call.req, call.verified)).data.toString('utf8');
  const keys = textsOf(xml, 'Key');
  for (const key of keys) call.store.remove(call.bucket, key);
  const quiet = textsOf(xml, 'Quiet')[0] === 'true';
  const deleted = quiet ? [] : keys.map((key) => `<Deleted>${element('Key', key)}</Deleted>`);
  sendXml(call, xmlDocument('DeleteResult', deleted.join('')));
}

function encodeKey(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/');
}

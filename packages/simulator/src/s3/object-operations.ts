/** PutObject, CopyObject, GetObject, HeadObject, DeleteObject. */
import type { IncomingHttpHeaders } from 'node:http';
import { pause } from '../http/pause.ts';
import { sendReply } from '../http/send-reply.ts';
import { isUnchanged, rangeOf, requireWritable } from './conditions.ts';
import type { StoredObject } from './object-store.ts';
import { readPayload } from './read-payload.ts';
import { commonHeaders, type S3Call, sendEmpty, sendXml } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { decode } from './sigv4.ts';
import { element, xmlDocument } from './xml.ts';

const KEPT_HEADERS = ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'];
const OVERRIDES = ['content-type', 'content-disposition', 'cache-control', 'content-encoding', 'content-language'];

/** Stores the object; returns how many bytes came, for the `slow` fault. Answers nothing. */
export async function storeObject(call: S3Call): Promise<StoredObject> {
  const { req, store, bucket, key } = call;
  const { data, checksums } = await readPayload(req, call.verified);
  if (!call.overlooksConditions) requireWritable(req.headers, store.get(bucket, key));
  const described = describeNew(req.headers);
  const headers = { ...described.headers, ...checksums };
  const stored = store.put(bucket, { key, data, ...described, headers });
  if (call.bytesPerSecond !== null) await pause((data.length / call.bytesPerSecond) * 1000, call.closing);
  return stored;
}

export function answerStored(call: S3Call, stored: StoredObject): void {
  sendEmpty(call, 200, { etag: stored.etag, ...checksumsOf(stored) });
}

export function copyObject(call: S3Call): void {
  const source = decode(String(call.req.headers['x-amz-copy-source'])).replace(/^\//, '');
  const slash = source.indexOf('/');
  const found = call.store.get(source.slice(0, slash), source.slice(slash + 1));
  if (found === null) throw new S3Error('NoSuchKey');
  requireWritable(call.req.headers, call.store.get(call.bucket, call.key));
  const replace = call.req.headers['x-amz-metadata-directive'] === 'REPLACE';
  const described = replace ? describeNew(call.req.headers) : found;
  const { contentType, metadata, headers } = described;
  const stored = call.store.put(call.bucket, { key: call.key, data: found.data, contentType, metadata, headers });
  const content = element('ETag', stored.etag) + element('LastModified', stored.lastModified.toISOString());
  sendXml(call, xmlDocument('CopyObjectResult', content));
}

export async function getObject(call: S3Call): Promise<void> {
  const object = requireObject(call);
  if (isUnchanged(call.req.headers, object)) return sendEmpty(call, 304, { etag: object.etag });
  const range = rangeOf(call.req.headers.range, object.data.length);
  const headers: Record<string, string> = {
    ...commonHeaders(call.requestId),
    ...headersOf(call, object, range === null),
  };
  const body = range === null ? object.data : object.data.subarray(range.first, range.last + 1);
  if (range !== null) headers['content-range'] = `bytes ${range.first}-${range.last}/${object.data.length}`;
  await sendReply(call.res, { status: range === null ? 200 : 206, headers, body }, call.bytesPerSecond, call.closing);
}

export function headObject(call: S3Call): void {
  const object = requireObject(call);
  if (isUnchanged(call.req.headers, object)) return sendEmpty(call, 304, { etag: object.etag });
  sendEmpty(call, 200, { ...headersOf(call, object, true), 'content-length': object.data.length });
}

/** Succeeds whether or not there is such an object, as S3 does. */
export function deleteObject(call: S3Call): void {
  call.store.remove(call.bucket, call.key);
  sendEmpty(call, 204);
}

function requireObject(call: S3Call): StoredObject {
  const object = call.store.get(call.bucket, call.key);
  if (object === null) throw new S3Error('NoSuchKey');
  return object;
}

export function describeNew(headers: IncomingHttpHeaders): Pick<StoredObject, 'contentType' | 'metadata' | 'headers'> {
  const metadata: Record<string, string> = {};
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue;
    if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = value;
    if (KEPT_HEADERS.includes(name) && value !== 'aws-chunked') kept[name] = value;
  }
  return { contentType: headers['content-type'] ?? 'binary/octet-stream', metadata, headers: kept };
}

function headersOf(call: S3Call, object: StoredObject, whole: boolean): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': object.contentType,
    etag: object.etag,
    'last-modified': object.lastModified.toUTCString(),
    'accept-ranges': 'bytes',
  };
  for (const [name, value] of Object.entries(object.headers)) if (!name.startsWith('x-amz-')) headers[name] = value;
  for (const [name, value] of Object.entries(object.metadata)) headers[`x-amz-meta-${name}`] = value;
  for (const name of OVERRIDES) {
    const override = call.query.get(`response-${name}`);
    if (override !== null) headers[name] = override;
  }
  const wantsChecksums = call.req.headers['x-amz-checksum-mode'] === 'ENABLED' && whole;
  return wantsChecksums ? { ...headers, ...checksumsOf(object) } : headers;
}

function checksumsOf(object: StoredObject): Record<string, string> {
  return Object.fromEntries(Object.entries(object.headers).filter(([name]) => name.startsWith('x-amz-checksum-')));
}

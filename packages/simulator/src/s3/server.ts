/**
 * An S3 server on localhost that checks what it is sent: SigV4 (header and presigned), body hashes and checksums.
 * Control routes, unsigned, under /_sim.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FaultBook } from '../faults/fault-book.ts';
import { numberParam } from '../faults/params.ts';
import { handleFaultRoutes } from '../http/fault-routes.ts';
import { listen } from '../http/listen.ts';
import { sendJson } from '../http/reply.ts';
import { createBucket, deleteObjects, headBucket, listBuckets, listObjects } from './bucket-operations.ts';
import { DiskMirror } from './disk-mirror.ts';
import { MultipartUploads } from './multipart-uploads.ts';
import { answerStored, copyObject, deleteObject, getObject, headObject, storeObject } from './object-operations.ts';
import { ObjectStore } from './object-store.ts';
import { addressOf, newRequestId, requireBucket, type S3Call, sendError } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import {
  actEarly,
  EARLY_KINDS,
  LATE_KINDS,
  matcherOf,
  OVERLOOKING_KINDS,
  operationOf,
  S3_FAULT_KINDS,
  S3_FAULT_MATCH_KEYS,
  type S3FaultKind,
  SLOW_KINDS,
} from './s3-faults.ts';
import { type Credentials, verifySignature } from './sigv4.ts';

export interface S3Options {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0 = any free port. */
  port?: number;
  /** Default `simulator`. */
  accessKeyId?: string;
  /** Default `simulator-secret`. */
  secretAccessKey?: string;
  /** Default us-east-1. */
  region?: string;
  /** Default ['darkroom']. */
  buckets?: string[];
  /** Keep objects on disk as well; default: in memory alone. */
  directory?: string;
}

export interface S3 {
  url: string;
  port: number;
  close(): Promise<void>;
}

interface S3World {
  store: ObjectStore;
  uploads: MultipartUploads;
  faults: FaultBook<S3FaultKind>;
  credentials: Credentials;
  closing: AbortSignal;
}

export async function startS3(options: S3Options = {}): Promise<S3> {
  const closing = new AbortController();
  const mirror = options.directory === undefined ? null : new DiskMirror(options.directory);
  const world: S3World = {
    store: new ObjectStore(options.buckets ?? ['darkroom'], mirror),
    uploads: new MultipartUploads(),
    faults: new FaultBook(S3_FAULT_KINDS, S3_FAULT_MATCH_KEYS),
    credentials: {
      accessKeyId: options.accessKeyId ?? 'simulator',
      secretAccessKey: options.secretAccessKey ?? 'simulator-secret',
      region: options.region ?? 'us-east-1',
    },
    closing: closing.signal,
  };
  const server = await listen((req, res) => handle(world, req, res), options.host ?? '127.0.0.1', options.port ?? 0);
  const close = async () => {
    closing.abort();
    await server.close();
  };
  return { url: server.url, port: server.port, close };
}

async function handle(world: S3World, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const requestId = newRequestId();
  const [path, query] = splitOnce(req.url ?? '/', '?');
  try {
    if (path.startsWith('/_sim/')) return await handleControl(world, path, req, res);
    const { bucket, key } = addressOf(req.headers.host, path, world.store.buckets);
    const parsed = new URLSearchParams(query);
    const method = req.method ?? 'GET';
    const matches = matcherOf(operationOf(method, key, parsed), key);
    const early = world.faults.take(EARLY_KINDS, matches);
    if (early !== null) return actEarly(early, res, path, requestId);
    const verified = verifySignature({ method, path, query, headers: req.headers }, world.credentials, Date.now());
    const slow = world.faults.take(SLOW_KINDS, matches);
    const call: S3Call = {
      req,
      res,
      method,
      bucket,
      key,
      query: parsed,
      requestId,
      verified,
      store: world.store,
      uploads: world.uploads,
      closing: world.closing,
      overlooksConditions: world.faults.take(OVERLOOKING_KINDS, matches) !== null,
      bytesPerSecond: slow === null ? null : numberParam(slow.params, 'bytesPerSecond', 64 * 1024),
    };
    await dispatch(call, () => world.faults.take(LATE_KINDS, matches) !== null);
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    sendError(res, error, path, requestId);
  }
}

/** `resetsAfterStore` is asked once the object of a Put is stored. */
async function dispatch(call: S3Call, resetsAfterStore: () => boolean): Promise<void> {
  const { method, query, bucket, key, uploads } = call;
  if (bucket === '') return listBuckets(call);
  if (key === '' && method === 'PUT') return createBucket(call);
  requireBucket(call);
  if (key === '') return dispatchBucket(call);
  if (query.has('uploadId')) return dispatchUpload(call);
  if (method === 'POST' && query.has('uploads')) return uploads.create(call);
  if (method === 'GET') return getObject(call);
  if (method === 'HEAD') return headObject(call);
  if (method === 'DELETE') return deleteObject(call);
  if (method !== 'PUT') throw new S3Error('MethodNotAllowed');
  if (call.req.headers['x-amz-copy-source'] !== undefined) return copyObject(call);
  const stored = await storeObject(call);
  if (resetsAfterStore()) call.res.socket?.resetAndDestroy();
  else answerStored(call, stored);
}

async function dispatchBucket(call: S3Call): Promise<void> {
  if (call.method === 'HEAD') return headBucket(call);
  if (call.method === 'GET' && call.query.has('uploads')) return call.uploads.list(call);
  if (call.method === 'GET') return listObjects(call);
  if (call.method === 'POST' && call.query.has('delete')) return deleteObjects(call);
  throw new S3Error('MethodNotAllowed');
}

async function dispatchUpload(call: S3Call): Promise<void> {
  if (call.method === 'PUT') return call.uploads.uploadPart(call);
  if (call.method === 'POST') return call.uploads.complete(call);
  if (call.method === 'DELETE') return call.uploads.abort(call);
  throw new S3Error('NotImplemented');
}

async function handleControl(world: S3World, path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (await handleFaultRoutes(world.faults, path, req, res)) return;
  if (path !== '/_sim/objects' || req.method !== 'GET') {
    return sendJson(res, 404, { error: `no control route ${req.method} ${path}` });
  }
  const objects = world.store.buckets.flatMap((bucket) =>
    world.store.list(bucket).map(({ key, data, sha256, contentType, metadata, puts }) => {
      return { bucket, key, bytes: data.length, sha256, contentType, metadata, puts };
    }),
  );
  sendJson(res, 200, { objects });
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** Faults of the S3 server: which there are and how they act. */
import type { ServerResponse } from 'node:http';
import type { Fault, Matches } from '../faults/fault-book.ts';
import { numberParam, stringParam } from '../faults/params.ts';
import { sendBody } from '../http/reply.ts';
import { errorXml } from './s3-error.ts';

export const S3_OPERATIONS = ['Put', 'Get', 'Head', 'Delete', 'List'] as const;
export type S3Operation = (typeof S3_OPERATIONS)[number];

export const S3_FAULT_KINDS = [
  'status',
  'hang',
  'reset',
  'reset_after_store',
  'slow',
  'not_found',
  'overlook_conditions',
] as const;
export type S3FaultKind = (typeof S3_FAULT_KINDS)[number];

/** A fault may be narrowed to an operation and to keys that contain a text. */
export const S3_FAULT_MATCH_KEYS = { operation: S3_OPERATIONS, keyContains: null } as const;

/** Instead of any work. */
export const EARLY_KINDS: ReadonlySet<S3FaultKind> = new Set(['status', 'hang', 'reset', 'not_found']);
export const LATE_KINDS: ReadonlySet<S3FaultKind> = new Set(['reset_after_store']);
export const SLOW_KINDS: ReadonlySet<S3FaultKind> = new Set(['slow']);
export const OVERLOOKING_KINDS: ReadonlySet<S3FaultKind> = new Set(['overlook_conditions']);

const CODES: Record<number, [string, string]> = {
  403: ['AccessDenied', 'Access Denied'],
  404: ['NoSuchKey', 'The specified key does not exist.'],
  500: ['InternalError', 'We encountered an internal error. Please try again.'],
  503: ['SlowDown', 'Please reduce your request rate.'],
};

/** Get and List are GET with and without a key; multipart and batch requests count as Put and Delete. */
export function operationOf(method: string, key: string, query: URLSearchParams): S3Operation {
  if (method === 'POST') return query.has('delete') ? 'Delete' : 'Put';
  if (method === 'GET') return key === '' ? 'List' : 'Get';
  if (method === 'HEAD') return 'Head';
  return method === 'DELETE' ? 'Delete' : 'Put';
}

export function matcherOf(operation: S3Operation, key: string): Matches {
  return (name, wanted) => (name === 'operation' ? operation === wanted : key.includes(wanted));
}

/** `hang` is answered by nothing: the connection stays until the client or the server closes it. */
export function actEarly(fault: Fault<S3FaultKind>, res: ServerResponse, resource: string, requestId: string): void {
  if (fault.kind === 'reset') res.socket?.resetAndDestroy();
  if (fault.kind !== 'status' && fault.kind !== 'not_found') return;
  const status = fault.kind === 'not_found' ? 404 : numberParam(fault.params, 'status', 503);
  const [code, message] = CODES[status] ?? ['InternalError', `Simulated status ${status}.`];
  const xml = errorXml(stringParam(fault.params, 'code', code), message, resource, requestId);
  sendBody(res, status, res.req.method === 'HEAD' ? '' : xml, { 'content-type': 'application/xml' });
}

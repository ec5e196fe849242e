/** /v1/files, as much of it as edits by file_id need: upload, list, read, content, delete. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../http/body.ts';
import { boundaryOf } from '../http/multipart.ts';
import { sendBody, sendJson } from '../http/reply.ts';
import { ApiError, badRequest } from './api-error.ts';
import { missing } from './fields.ts';
import type { FileStore } from './file-store.ts';
import { parseForm } from './read-image-body.ts';

const MAX_FILE_BYTES = 512 * 1024 * 1024;

/** `id` and `sub` are the parts of the path behind /v1/files. Throws ApiError. */
export async function handleFiles(
  files: FileStore,
  id: string | undefined,
  sub: string | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  if (req.method === 'POST' && id === undefined) return upload(files, req, res);
  if (req.method === 'GET' && id === undefined) {
    return sendJson(res, 200, { object: 'list', data: files.list(), has_more: false });
  }
  const file = files.get(id ?? '');
  if (file === null) {
    const message = `No such File object: ${id}`;
    throw new ApiError(404, { message, type: 'invalid_request_error', param: 'id', code: null });
  }
  if (req.method === 'DELETE') {
    files.remove(file.info.id);
    return sendJson(res, 200, { id: file.info.id, object: 'file', deleted: true });
  }
  if (sub === 'content') return sendBody(res, 200, file.data, { 'content-type': 'application/octet-stream' });
  sendJson(res, 200, file.info);
}

async function upload(files: FileStore, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const boundary = boundaryOf(req.headers['content-type']);
  if (boundary === null) throw badRequest('Invalid Content-Type header, expected multipart/form-data.', null);
  const parts = parseForm(await readBody(req, MAX_FILE_BYTES), boundary);
  const file = parts.find((part) => part.name === 'file');
  const purpose = parts.find((part) => part.name === 'purpose')?.data.toString('utf8');
  if (file === undefined) throw missing('file');
  if (purpose === undefined) throw missing('purpose');
  sendJson(res, 200, files.add(file.filename ?? 'file', purpose, file.data));
}

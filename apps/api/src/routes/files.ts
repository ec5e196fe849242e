// OpenAI's Files API: files for batches and input images go in, and those batches wrote come out.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import { type FileRecord, toPublicFile } from '@darkroom/shared/files/file-record.ts';
import { deleteFile, readFile } from '@darkroom/shared/files/file-store.ts';
import { listFiles } from '@darkroom/shared/files/list-files.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { fileHeaders } from '../http/file-headers.ts';
import { FILE_LIST_PARAMETERS, parseFileListQuery } from '../http/file-query.ts';
import { assertForm, registerForms } from '../http/forms.ts';
import { toListReply } from '../http/list-reply.ts';
import { readQuery } from '../http/query.ts';
import { MAX_BATCH_FILE_BYTES, receiveFile } from '../http/receive-file.ts';
import { type StoredBytes, sendStored, sendStoredHead } from '../http/stored-bytes.ts';
import * as operations from '../openapi/file-operations.ts';

/** A form is this much larger than its file at most; what says it is longer is refused unread. */
const FORM_BYTES = 1_048_576;

type FileDeps = Pick<Deps, 'config' | 'redis' | 'keys' | 'store' | 'desk'>;

export async function registerFiles(app: App, deps: FileDeps): Promise<void> {
  await registerForms(app, (scope) => registerUpload(scope, deps));

  app.route({
    method: 'GET',
    url: '/v1/files',
    config: { access: 'account', operation: operations.listFilesOperation },
    handler: async (request) => {
      const query = parseFileListQuery(readQuery(request, FILE_LIST_PARAMETERS));
      const page = await listFiles(deps, request.account, query);
      if (page === null) throw notInList(query.after ?? '');
      return toListReply(page.files.map(toPublicFile), page.hasMore);
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/files/:id',
    config: { access: 'account', operation: operations.getFileOperation },
    handler: async (request) => toPublicFile(await findFile(request, deps)),
  });

  app.route({
    method: 'DELETE',
    url: '/v1/files/:id',
    config: { access: 'account', operation: operations.deleteFileOperation },
    handler: async (request) => {
      const { id, key } = await findFile(request, deps);
      await assertNotInUse(deps, id, key);
      if (!(await deleteFile(deps, request.account, id))) throw noSuchFile(id);
      return { id, object: 'file', deleted: true };
    },
  });

  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/files/:id/content',
    config: { access: 'account', operation: operations.fileContentOperation },
    handler: async (request, reply) => {
      const file = await findFile(request, deps);
      const stored: StoredBytes = { ...file, headers: fileHeaders(file), missing: () => noSuchFile(file.id) };
      if (request.method === 'HEAD') return sendStoredHead(deps.store, stored, reply);
      return sendStored(deps.store, stored, request, reply);
    },
  });
}

function registerUpload(scope: App, deps: FileDeps): void {
  const maxBytes = Math.min(MAX_BATCH_FILE_BYTES, deps.config.MAX_UPLOAD_BYTES);

  scope.route({
    method: 'POST',
    url: '/v1/files',
    config: { access: 'account', isStreamed: true, operation: operations.createFileOperation },
    handler: async (request) => {
      readQuery(request, { names: [] });
      assertForm(request);
      assertLength(request, maxBytes);
      await deps.redis.ping(); // what could not be recorded need not be sent
      return toPublicFile(await receiveFile(deps, request));
    },
  });
}

/** Throws ServiceError `request_too_large`. */
function assertLength({ headers }: FastifyRequest, maxBytes: number): void {
  if (Number(headers['content-length'] ?? 0) <= maxBytes + FORM_BYTES) return;
  throw new ServiceError('request_too_large', `The file is larger than ${maxBytes} bytes.`);
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id;
}

/** Throws ServiceError `not_found`, the same for missing files and those of others. */
async function findFile(request: FastifyRequest, deps: FileDeps): Promise<FileRecord> {
  readQuery(request, { names: [] });
  const id = idOf(request);
  const file = await readFile(deps, request.account, id);
  if (file === null) throw noSuchFile(id);
  return file;
}

/** In OpenAI's words. */
function noSuchFile(id: string): ServiceError {
  return new ServiceError('not_found', `No such File object: ${id.slice(0, 100)}`, { param: 'id' });
}

function notInList(id: string): ServiceError {
  return new ServiceError('invalid_value', `Invalid value for 'after': no file found with id '${id}' in this list.`, {
    param: 'after',
  });
}

/**
 * A batch reads its input, also that made of inline requests, to its very end: what it has paid for is told from it. Throws
 * ServiceError `file_in_use`.
 */
async function assertNotInUse({ redis, keys }: Pick<Deps, 'redis' | 'keys'>, id: string, key: string): Promise<void> {
  for (const batchId of await redis.zrange(keys.openBatches, '0', '-1')) {
    const batch = await readBatch(redis, keys, batchId);
    if (batch?.spec.inputKey !== key) continue;
    throw new ServiceError(
      'file_in_use',
      `Batch '${batchId}' still reads file '${id}'. Cancel it first, or wait for its end.`,
    );
  }
}

// Takes a caller's file in: lines of a batch are streamed to storage, images are put aside and inspected. What it is to be
// may be said behind the file (the openai SDK does): until then what begins as an image is put aside, and anything else
// can only be a batch's.
import { createReadStream } from 'node:fs';
import type { FileRecord } from '@darkroom/shared/files/file-record.ts';
import { createFile, createVisionFile } from '@darkroom/shared/files/file-store.ts';
import { inputFormatOf } from '@darkroom/shared/inputs/inspect-input.ts';
import { MAX_INPUT_BYTES } from '@darkroom/shared/inputs/limits.ts';
import { mimetypeOf } from '@darkroom/shared/inputs/mimetype.ts';
import { unsupportedFile } from '@darkroom/shared/inputs/problems.ts';
import { wrongValue } from '@darkroom/shared/requests/problems.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import { peek } from './peek.ts';
import { openUpload, type Upload } from './upload.ts';

/** OpenAI's limit for a batch's input, 200 MB as 2^20 bytes. */
export const MAX_BATCH_FILE_BYTES = 209_715_200;
export const UPLOAD_PURPOSES: readonly string[] = ['batch', 'vision'];

type FileDeps = Pick<Deps, 'config' | 'redis' | 'keys' | 'store' | 'desk'>;

/**
 * Throws ServiceError for a form or a file that is not taken (`request_too_large` for lines, `file_too_large` for images)
 * and StorageError; then nothing is stored.
 */
export async function receiveFile(deps: FileDeps, request: FastifyRequest): Promise<FileRecord> {
  const upload = await openUpload(request, { purpose: checkPurpose });
  const { head, body } = await peek(upload.body);
  const start = { ...upload, body };
  const purpose = upload.fields.get('purpose');
  const isImage = inputFormatOf(head) !== null;
  if (purpose === 'vision' && !isImage) throw unsupportedFile('file', mimetypeOf(head));
  if (purpose === 'vision' || (purpose === undefined && isImage)) return await putAside(deps, request.account, start);
  return await storeLines(deps, request.account, { ...start, body: expectLines(start, head) });
}

function checkPurpose(value: string) {
  return UPLOAD_PURPOSES.includes(value) ? null : wrongValue('purpose', value, UPLOAD_PURPOSES);
}

/** The body, unless it turns out at its end that it was to be an image. */
async function* expectLines({ body, fields }: Upload, head: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield* body;
  if (fields.get('purpose') === 'vision') throw unsupportedFile('file', mimetypeOf(head));
}

async function storeLines(deps: FileDeps, account: string, { filename, body }: Upload): Promise<FileRecord> {
  const maxBytes = Math.min(MAX_BATCH_FILE_BYTES, deps.config.MAX_UPLOAD_BYTES);
  const contentType = 'application/jsonl';
  return await createFile(deps, { account, purpose: 'batch', filename, contentType, body, maxBytes });
}

async function putAside(deps: FileDeps, account: string, upload: Upload): Promise<FileRecord> {
  const maxBytes = Math.min(MAX_INPUT_BYTES, deps.config.MAX_UPLOAD_BYTES);
  const file = await deps.desk.putAside('file', upload.body, maxBytes);
  try {
    if (upload.fields.get('purpose') === 'batch') {
      return await storeLines(deps, account, { ...upload, body: createReadStream(file.path) });
    }
    const held = await deps.desk.hold('file', file);
    return await createVisionFile(deps, { account, filename: upload.filename, held });
  } finally {
    await deps.desk.release([file]);
  }
}

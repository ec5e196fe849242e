// Where a batch's lines lie in storage: the caller's file, or the inline requests written as one.
import { Readable } from 'node:stream';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { createFile, deleteFile, readFile } from '@darkroom/shared/files/file-store.ts';
import { type BatchSubmission, toInputLine } from '@darkroom/shared/requests/batch-submission.ts';
import type { Deps } from '../deps.ts';

export interface BatchInput {
  readonly key: string;
  /** For an input no batch came of: the file made for inline requests goes; a caller's own file stays. */
  readonly discard: () => Promise<void>;
}

/** Throws `not_found` and `invalid_value` for a file that is not there or not for batches. */
export async function openBatchInput(deps: Deps, account: string, submission: BatchSubmission): Promise<BatchInput> {
  const { inputFileId, requests } = submission;
  if (inputFileId !== null) return inputFile(deps, account, inputFileId);
  const lines = (requests ?? []).map((request) => `${JSON.stringify(toInputLine(request, submission.endpoint))}\n`);
  const file = await createFile(deps, {
    account,
    purpose: 'batch',
    filename: 'inline-requests.jsonl',
    contentType: 'application/jsonl',
    body: Readable.from(lines.map((line) => Buffer.from(line))),
    maxBytes: deps.config.MAX_UPLOAD_BYTES,
  });
  const discard = async (): Promise<void> => {
    await deleteFile(deps, account, file.id).catch((error: unknown) => {
      deps.logger.warn({ err: error, fileId: file.id }, 'the file of inline requests that became no batch stays');
    });
  };
  return { key: file.key, discard };
}

async function inputFile(deps: Deps, account: string, id: string): Promise<BatchInput> {
  const file = await readFile(deps, account, id);
  if (file === null) {
    throw new ServiceError('not_found', `No such File object: ${id.slice(0, 64)}`, { param: 'input_file_id' });
  }
  if (file.purpose !== 'batch') {
    const message = `Invalid value for 'input_file_id': the file's purpose is '${file.purpose}', not 'batch'.`;
    throw new ServiceError('invalid_value', message, { param: 'input_file_id' });
  }
  return { key: file.key, discard: async () => undefined };
}

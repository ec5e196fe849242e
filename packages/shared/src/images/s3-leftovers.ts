// Parts of uploads that were never completed: stored, paid for, and shown by no listing of objects.
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';

/** No upload takes a day, so what is older was left by a process that died. */
const STALE_UPLOAD_MS = 86_400_000;

/** Sends one request under its time limit. */
type Send = <T>(request: (abortSignal: AbortSignal) => Promise<T>) => Promise<T>;

/** Removes those below `prefix` that are a day old, and tells how many uploads they were of. */
export async function abortStaleUploads(client: S3Client, bucket: string, prefix: string, send: Send): Promise<number> {
  const before = Date.now() - STALE_UPLOAD_MS;
  const list = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix });
  const { Uploads = [] } = await send((abortSignal) => client.send(list, { abortSignal }));
  // A server that does not tell when an upload began has it for ever: it may be under way.
  const stale = Uploads.filter(({ Initiated }) => Initiated !== undefined && Initiated.getTime() < before);
  for (const { Key, UploadId } of stale) {
    const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId });
    await send(async (abortSignal) => {
      await client.send(abort, { abortSignal }).catch(ignoreGone);
    });
  }
  return stale.length;
}

/** Another process has removed it, or its own has completed it after all. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof S3ServiceException) || error.name !== 'NoSuchUpload') throw error;
}

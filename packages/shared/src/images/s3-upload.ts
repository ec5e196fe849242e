// A body of unknown length into S3: small ones as one PutObject, others in parts of which few are in memory at a time.

import { Readable } from 'node:stream';
import { AbortMultipartUploadCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

/** The least S3 takes. One part is hashed in 3 to 12 ms, during which no other request is served. */
const PART_BYTES = 5 * 1_024 * 1_024;
const PARTS_AT_ONCE = 2;

export interface UploadTarget {
  readonly Bucket: string;
  readonly Key: string;
  readonly ContentType: string;
  readonly Metadata: Record<string, string>;
}

/** Sends one of the upload's requests. `isCleanUp`: it removes the parts of a failed upload and must go out in any case. */
export type SendUploadRequest = <T>(send: (abortSignal: AbortSignal) => Promise<T>, isCleanUp: boolean) => Promise<T>;

/** When it throws, the parts sent so far have been removed; if even that failed, that is what it throws. */
export async function uploadStream(
  client: S3Client,
  target: UploadTarget,
  body: AsyncIterable<Uint8Array>,
  send: SendUploadRequest,
): Promise<void> {
  const upload = new Upload({
    client: withSignals(client, send),
    params: { ...target, Body: Readable.from(body) },
    partSize: PART_BYTES,
    queueSize: PARTS_AT_ONCE,
  });
  await upload.done();
}

/** `Upload` gives its requests no abort signal, so a server that hangs would hold it for minutes: this client adds them. */
function withSignals(client: S3Client, send: SendUploadRequest): S3Client {
  const sendCommand = (command: Parameters<S3Client['send']>[0]) =>
    send((abortSignal) => client.send(command, { abortSignal }), command instanceof AbortMultipartUploadCommand);
  return Object.create(client, { send: { value: sendCommand } }) as S3Client;
}

// An object into S3 only where there is none (`If-None-Match: *`). Servers that do not know such a condition either refuse it,
// then it is left out from there on, or overlook it: with both an object that is there is replaced, which workers find out
// and say at their start (`keepsFirst`).
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, type PutObjectCommandInput, type S3Client, S3ServiceException } from '@aws-sdk/client-s3';

/** False when there is an object, also one that a try of this very put has stored whose reply was lost. */
export type PutNew = (object: PutObjectCommandInput, abortSignal: AbortSignal) => Promise<boolean>;

/** AWS answers 409 while another request changes the same key. All tries together wait 750 ms. */
const CONFLICT_TRIES = 5;
const CONFLICT_PAUSE_MS = 50;

export function buildPutNew(client: S3Client): PutNew {
  let isRefused = false;
  const putOver: PutNew = async (object, abortSignal) => {
    await client.send(new PutObjectCommand(object), { abortSignal });
    return true;
  };
  return async (object, abortSignal) => {
    if (isRefused) return await putOver(object, abortSignal);
    const answer = await putUnlessThere(client, object, abortSignal);
    if (answer !== 'refused') return answer === 'put';
    await putOver(object, abortSignal);
    isRefused = true;
    return true;
  };
}

async function putUnlessThere(
  client: S3Client,
  object: PutObjectCommandInput,
  abortSignal: AbortSignal,
): Promise<'put' | 'there' | 'refused'> {
  const command = new PutObjectCommand({ ...object, IfNoneMatch: '*' });
  for (let tries = 1; ; tries += 1) {
    try {
      await client.send(command, { abortSignal });
      return 'put';
    } catch (error) {
      const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
      if (status === 412) return 'there';
      if (status === 501) return 'refused';
      if (status !== 409 || tries === CONFLICT_TRIES) throw error;
    }
    await sleep(CONFLICT_PAUSE_MS * 2 ** (tries - 1), undefined, { signal: abortSignal });
  }
}

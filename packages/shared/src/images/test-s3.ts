// TEST ONLY. A store on the S3 simulator, and its faults.
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { type S3, startS3 } from '@darkroom/simulator/s3/server.ts';
import { openS3Store, type S3StoreOptions } from './s3.ts';
import type { ImageStore } from './store.ts';

export const TEST_CREDENTIALS = { accessKeyId: 'simulator', secretAccessKey: 'simulator-secret' };

export interface TestS3 {
  readonly server: S3;
  readonly store: ImageStore;
  open(change?: Partial<S3StoreOptions>): ImageStore;
  fault(fault: {
    kind: string;
    operation?: string;
    keyContains?: string;
    params?: object;
    count?: number;
  }): Promise<void>;
  clearFaults(): Promise<void>;
  /** Keys of multipart uploads that were begun and neither completed nor aborted. */
  openUploads(): Promise<string[]>;
  close(): Promise<void>;
}

async function call(server: S3, method: string, body?: object): Promise<void> {
  const reply = await fetch(`${server.url}/_sim/faults`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!reply.ok) throw new Error(`the simulator answered ${reply.status}: ${await reply.text()}`);
}

/** Asked of the server itself, past the store. */
export async function listOpenUploads(endpoint: string): Promise<string[]> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: TEST_CREDENTIALS });
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'darkroom' }));
  client.destroy();
  return Uploads.map(({ Key = '' }) => Key);
}

export async function startTestS3(): Promise<TestS3> {
  const server = await startS3({});
  const opened: ImageStore[] = [];
  const open = (change: Partial<S3StoreOptions> = {}): ImageStore => {
    const store = openS3Store({
      bucket: 'darkroom',
      prefix: '',
      endpoint: server.url,
      forcePathStyle: true,
      credentials: TEST_CREDENTIALS,
      ...change,
    });
    opened.push(store);
    return store;
  };
  return {
    server,
    store: open(),
    open,
    fault: (fault) => call(server, 'POST', fault),
    clearFaults: () => call(server, 'DELETE'),
    openUploads: () => listOpenUploads(server.url),
    close: async () => {
      await Promise.all(opened.map((store) => store.close()));
      await server.close();
    },
  };
}

/** What the integration tests of the S3 server share: a running server and real clients of it. */
import { GetObjectCommand, PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { startS3 } from './server.ts';

export const Bucket = 'darkroom';

export async function startS3Kit() {
  const server = await startS3();
  const clients: S3Client[] = [];
  const connect = (more: S3ClientConfig = {}): S3Client => {
    const client = new S3Client({
      endpoint: server.url,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: 'simulator', secretAccessKey: 'simulator-secret' },
      ...more,
    });
    clients.push(client);
    return client;
  };
  const s3 = connect();
  return {
    server,
    s3,
    connect,
    put: (Key: string, Body: string | Buffer = 'body', more: Record<string, unknown> = {}) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more })),
    read: async (Key: string, more: Record<string, unknown> = {}, client = s3) => {
      const reply = await client.send(new GetObjectCommand({ Bucket, Key, ...more }));
      return { ...reply, text: (await reply.Body?.transformToString()) ?? '' };
    },
    control: async (method: string, path: string, body?: unknown) => {
      const reply = await fetch(`${server.url}/_sim${path}`, {
        method,
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      return { status: reply.status, json: (await reply.json()) as Record<string, unknown> };
    },
    close: async () => {
      for (const client of clients) client.destroy();
      await server.close();
    },
  };
}

export type S3Kit = Awaited<ReturnType<typeof startS3Kit>>;

/** Matches the SDK's reply or error of this status, and of this name if given. */
export function status(code: number, name?: string) {
  return { $metadata: { httpStatusCode: code }, ...(name ? { name } : {}) };
}

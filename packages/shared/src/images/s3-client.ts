// The S3 client as Darkroom uses it: time-outs that throw, tries that end, no checksum extras off AWS, where other servers
// reject them or store them with the bytes (libraries.md 0.5).
import { S3Client } from '@aws-sdk/client-s3';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3ClientOptions {
  /** A server other than AWS itself. */
  readonly endpoint?: string;
  /** Default: us-east-1 when an endpoint is set, else the SDK's own chain. */
  readonly region?: string;
  readonly forcePathStyle?: boolean;
  /** Default: the SDK's own chain. */
  readonly credentials?: S3Credentials;
  /** One try of one request, ms. */
  readonly requestTimeoutMs?: number;
}

export function buildS3Client(options: S3ClientOptions): S3Client {
  const { endpoint, credentials } = options;
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const isAws = endpoint === undefined || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
  const checksums = isAws ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED';
  const agent = { keepAlive: true, maxSockets: 64 };
  return new S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: options.forcePathStyle ?? false,
    maxAttempts: 5,
    retryMode: 'standard',
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    // Else every body over 2 MB opens a connection of its own and waits for servers that do not know `Expect`.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 3_000,
      requestTimeout: options.requestTimeoutMs ?? 60_000,
      throwOnRequestTimeout: true,
      socketTimeout: 30_000,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}

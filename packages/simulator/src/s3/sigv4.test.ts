/** The examples of the AWS documentation ("Signature Calculations for the Authorization Header", 2013-05-24). */
import { describe, expect, test } from 'vitest';
import { decodeAwsChunked } from './aws-chunked.ts';
import { verifySignature } from './sigv4.ts';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  region: 'us-east-1',
};
const NOW = Date.UTC(2013, 4, 24, 0, 0, 5);
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

function authorization(signedHeaders: string, signature: string): string {
  return `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/${SCOPE},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

const host = 'examplebucket.s3.amazonaws.com';
const common = { host, 'x-amz-date': '20130524T000000Z', 'x-amz-content-sha256': EMPTY };
const getObject = {
  method: 'GET',
  path: '/test.txt',
  query: '',
  headers: {
    ...common,
    range: 'bytes=0-9',
    authorization: authorization(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
  },
};
const listObjects = {
  method: 'GET',
  path: '/',
  query: 'max-keys=2&prefix=J',
  headers: {
    ...common,
    authorization: authorization(
      'host;x-amz-content-sha256;x-amz-date',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ),
  },
};
const presigned = {
  method: 'GET',
  path: '/test.txt',
  query: `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F${SCOPE.replaceAll('/', '%2F')}&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404`,
  headers: { host },
};
const chunkedPut = {
  method: 'PUT',
  path: '/examplebucket/chunkObject.txt',
  query: '',
  headers: {
    host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'content-length': '66824',
    authorization: authorization(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    ),
  },
};

test.each([
  ['GET with a range', getObject],
  ['GET with a query', listObjects],
  ['a presigned link', presigned],
  ['a chunked PUT', chunkedPut],
])('%s verifies, and does not once it is altered', (_name, request) => {
  expect(verifySignature(request, credentials, NOW).date).toBe('20130524T000000Z');
  for (const altered of [
    { ...request, method: 'DELETE' },
    { ...request, path: '/other' },
  ]) {
    expect(() => verifySignature(altered, credentials, NOW)).toThrow(/signature we calculated does not match/);
  }
});

describe('signed chunks', () => {
  const chunks: [Buffer, string][] = [
    [Buffer.alloc(65_536, 'a'), 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'],
    [Buffer.alloc(1024, 'a'), '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'],
    [Buffer.alloc(0), 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'],
  ];
  const body = Buffer.concat(
    chunks.flatMap(([data, signature]) => [
      Buffer.from(`${data.length.toString(16)};chunk-signature=${signature}\r\n`),
      data,
      Buffer.from('\r\n'),
    ]),
  );
  const verified = verifySignature(chunkedPut, credentials, NOW);

  test('verify and join', () => {
    expect(decodeAwsChunked(body, verified, true).data.equals(Buffer.alloc(66_560, 'a'))).toBe(true);
  });

  test.each([
    ['an altered byte', () => Buffer.from(body).fill('b', 1000, 1001), /signature/],
    ['a missing end', () => body.subarray(0, 66_000), /number of bytes/],
    ['nothing', () => Buffer.alloc(0), /number of bytes/],
  ])('%s is refused', (_name, altered, message) => {
    expect(() => decodeAwsChunked(altered(), verified, true)).toThrow(message);
  });
});

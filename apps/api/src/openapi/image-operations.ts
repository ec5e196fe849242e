// The image routes as they stand in the OpenAPI document.
import type { Header, Operation, Parameter } from './operation.ts';
import { COMMON_ERRORS, errorReplies, replyOf, UNKNOWN_QUERY } from './replies.ts';

const text = (description: string, example: string): Header => ({ description, schema: { type: 'string' }, example });

const BYTES = Object.fromEntries(
  ['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/svg+xml'].map((type) => [
    type,
    { schema: { type: 'string', contentMediaType: type } },
  ]),
);

const HEADERS = {
  etag: text('The sha256 of the image.', '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'),
  'content-disposition': text(
    '`inline` with a file name; `attachment` for SVG.',
    'inline; filename="img_01kb4xwq_0.png"',
  ),
  'cache-control': text('The bytes of an image never change.', 'private, max-age=31536000, immutable'),
};

const link = (name: string, description: string, example: string): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string', examples: [example] },
});

export const imageContentOperation: Operation = {
  operationId: 'getImageContent',
  summary: 'Download an image',
  description:
    "The bytes, for a signed link (the `url` of a job's image) or the account's API key. Knows `If-None-Match`, one byte " +
    'range and `If-Range`. Where images lie in S3 it redirects to a link that holds for 5 minutes.',
  tags: ['Images'],
  security: [{ apiKey: [] }, {}],
  parameters: [
    {
      name: 'id',
      in: 'path',
      required: true,
      description: 'Id of the image.',
      schema: { type: 'string' },
      example: 'img_01kb4xwqf7c0v3m8r5y2d9tz6n_0',
    },
    link('exp', 'Until when the link holds, unix seconds; from a signed link.', '1795426777'),
    link('sig', 'Signature over id and expiry; from a signed link.', '9fKq3…'),
    {
      name: 'Range',
      in: 'header',
      description: 'One byte range.',
      schema: { type: 'string', examples: ['bytes=0-1023'] },
    },
    { name: 'If-None-Match', in: 'header', description: 'An `etag` already held.', schema: { type: 'string' } },
  ],
  responses: {
    200: replyOf('The whole image.', BYTES, HEADERS),
    206: replyOf('The range asked for.', BYTES, {
      ...HEADERS,
      'content-range': text('Which bytes.', 'bytes 0-1023/1523011'),
    }),
    302: replyOf('The image lies in S3.', undefined, {
      location: text('A link that holds for 5 minutes.', 'https://bucket.example/…'),
    }),
    304: replyOf('The `etag` still holds.', undefined, { etag: HEADERS.etag }),
    ...errorReplies(
      UNKNOWN_QUERY,
      { code: 'invalid_signature', message: 'This image link has expired. Ask for the job again to get a new one.' },
      { code: 'not_found', message: "No image found with id 'img_01kb4xwqf7c0v3m8r5y2d9tz6n_0'.", param: 'id' },
      { code: 'range_not_satisfiable', message: 'There are 1523011 bytes.' },
      ...COMMON_ERRORS,
    ),
  },
};

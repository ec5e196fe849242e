// The file routes as they stand in the OpenAPI document.
import { FILE_PURPOSES } from '@darkroom/shared/files/file-record.ts';
import { MAX_FILES } from '../http/file-query.ts';
import { UPLOAD_PURPOSES } from '../http/receive-file.ts';
import type { Header, Operation, Parameter } from './operation.ts';
import { COMMON_ERRORS, errorReplies, jsonOf, replyOf, UNKNOWN_QUERY } from './replies.ts';

const tags = ['Files'];
const EXAMPLE_ID = 'file-01kb4xwqf7c0v3m8r5y2d9tz6n';
const EXAMPLE_FILE = {
  id: EXAMPLE_ID,
  object: 'file',
  bytes: 1_204,
  created_at: 1_795_340_334,
  expires_at: null,
  filename: 'cats.jsonl',
  purpose: 'batch',
  status: 'processed',
};
const EXAMPLE_LINE =
  '{"custom_id":"cat-1","method":"POST","url":"/v1/images/generations","body":{"model":"gpt-image-2.6-flare","prompt":"a cat"}}\n';

const ID_PARAMETER: Parameter = {
  name: 'id',
  in: 'path',
  required: true,
  description: 'Id of the file.',
  schema: { type: 'string' },
  example: EXAMPLE_ID,
};
const NO_SUCH_FILE = { code: 'not_found', message: `No such File object: ${EXAMPLE_ID}`, param: 'id' } as const;

export const createFileOperation: Operation = {
  operationId: 'createFile',
  summary: 'Upload a file',
  description:
    'A form with exactly one `file` and its `purpose`, in any order. `purpose=batch`: JSON Lines for a batch, up to 200 MB ' +
    '(or what the operator allows). `purpose=vision`: an image to edit or vary, PNG, JPEG or WebP, below 50 MB and up to ' +
    '50,331,648 pixels, told by its bytes alone; one that is damaged or animated is refused. A refused or broken upload ' +
    'leaves nothing behind.',
  tags,
  requestBody: {
    required: true,
    content: {
      'multipart/form-data': {
        schema: {
          type: 'object',
          required: ['file', 'purpose'],
          properties: {
            file: { type: 'string', contentMediaType: 'application/octet-stream' },
            purpose: { type: 'string', enum: UPLOAD_PURPOSES },
          },
        },
      },
    },
  },
  responses: {
    200: replyOf('The file is stored.', jsonOf('File', EXAMPLE_FILE)),
    ...errorReplies(
      { code: 'missing_required_parameter', message: "Missing required parameter: 'purpose'.", param: 'purpose' },
      {
        code: 'invalid_value',
        message: "Invalid value: 'fine-tune'. Supported values are: 'batch' and 'vision'.",
        param: 'purpose',
      },
      {
        code: 'invalid_type',
        message: "Invalid type for 'file': expected a file (a part with a filename), but got a string instead.",
        param: 'file',
      },
      {
        code: 'unsupported_file_mimetype',
        message:
          "Invalid file 'file': unsupported mimetype ('image/gif'). Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
        param: 'file',
      },
      {
        code: 'invalid_image_file',
        message: "Invalid image file or mode for 'file', please check your image file: it is cut off or damaged.",
        param: 'file',
      },
      {
        code: 'file_too_large',
        message: "Invalid file 'file': too large. It may have 52428799 bytes at most.",
        param: 'file',
      },
      {
        code: 'unknown_parameter',
        message: "Unknown parameter: 'purpos'. Did you mean 'purpose'?",
        param: 'purpos',
      },
      { code: 'request_too_large', message: 'The file is larger than 209715200 bytes.' },
      {
        code: 'unsupported_media_type',
        message: "Unsupported content-type. Send 'content-type: multipart/form-data' with a boundary.",
      },
      ...COMMON_ERRORS,
    ),
  },
};

const parameter = (name: string, description: string, schema: Parameter['schema'], example: unknown): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { ...schema, examples: [example] },
});

export const listFilesOperation: Operation = {
  operationId: 'listFiles',
  summary: 'List files',
  description: 'Newest first unless `order=asc`. Go on with `after=last_id` while `has_more` is true.',
  tags,
  parameters: [
    parameter('purpose', 'Only files of this purpose.', { type: 'string', enum: FILE_PURPOSES }, 'batch'),
    parameter(
      'limit',
      'Files on a page.',
      { type: 'integer', minimum: 1, maximum: MAX_FILES, default: MAX_FILES },
      100,
    ),
    parameter('order', 'By time of creation.', { type: 'string', enum: ['asc', 'desc'], default: 'desc' }, 'desc'),
    parameter('after', 'The file after which the page begins.', { type: 'string' }, EXAMPLE_ID),
  ],
  responses: {
    200: replyOf(
      'A page of files.',
      jsonOf('FileList', {
        object: 'list',
        data: [EXAMPLE_FILE],
        first_id: EXAMPLE_ID,
        last_id: EXAMPLE_ID,
        has_more: false,
      }),
    ),
    ...errorReplies(
      {
        code: 'invalid_value',
        message: `Invalid value for 'limit': it must be a whole number from 1 to ${MAX_FILES}.`,
        param: 'limit',
      },
      UNKNOWN_QUERY,
      ...COMMON_ERRORS,
    ),
  },
};

export const getFileOperation: Operation = {
  operationId: 'getFile',
  summary: 'Get a file',
  description: 'What is known of it; its bytes are at `/v1/files/{id}/content`.',
  tags,
  parameters: [ID_PARAMETER],
  responses: {
    200: replyOf('The file.', jsonOf('File', EXAMPLE_FILE)),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_FILE, ...COMMON_ERRORS),
  },
};

const FILE_IN_USE = {
  code: 'file_in_use',
  message:
    "Batch 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n' still reads file 'file-01kb4xwqf7c0v3m8r5y2d9tz6n'. Cancel it first, or wait for its end.",
} as const;

export const deleteFileOperation: Operation = {
  operationId: 'deleteFile',
  summary: 'Delete a file',
  description:
    'The record and the bytes; an image stays for the jobs that were accepted with it. A file that a batch still reads is ' +
    'not deleted.',
  tags,
  parameters: [ID_PARAMETER],
  responses: {
    200: replyOf('It is gone.', jsonOf('FileDeleted', { id: EXAMPLE_ID, object: 'file', deleted: true })),
    ...errorReplies(UNKNOWN_QUERY, NO_SUCH_FILE, FILE_IN_USE, ...COMMON_ERRORS),
  },
};

const text = (description: string, example: string): Header => ({ description, schema: { type: 'string' }, example });
const BYTES = {
  'application/jsonl': { schema: { type: 'string' }, example: EXAMPLE_LINE },
  'image/png': { schema: { type: 'string', contentMediaType: 'image/png' } },
  'image/jpeg': { schema: { type: 'string', contentMediaType: 'image/jpeg' } },
  'image/webp': { schema: { type: 'string', contentMediaType: 'image/webp' } },
};
const HEADERS = {
  etag: text('The sha256 of the bytes.', '"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"'),
  'content-disposition': text('Always a download.', 'attachment; filename="cats.jsonl"'),
};

export const fileContentOperation: Operation = {
  operationId: 'getFileContent',
  summary: 'Download a file',
  description: 'The bytes as they were sent or written, streamed. Knows one byte range and `If-Range`.',
  tags,
  parameters: [
    ID_PARAMETER,
    {
      name: 'Range',
      in: 'header',
      description: 'One byte range.',
      schema: { type: 'string', examples: ['bytes=0-1023'] },
    },
  ],
  responses: {
    200: replyOf('The whole file.', BYTES, HEADERS),
    206: replyOf('The range asked for.', BYTES, {
      ...HEADERS,
      'content-range': text('Which bytes.', 'bytes 0-1023/1204'),
    }),
    ...errorReplies(
      UNKNOWN_QUERY,
      NO_SUCH_FILE,
      { code: 'range_not_satisfiable', message: 'There are 1204 bytes.' },
      ...COMMON_ERRORS,
    ),
  },
};

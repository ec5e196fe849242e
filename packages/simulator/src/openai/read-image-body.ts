/** Turns the body of an image request, JSON or multipart, into fields and file parts. */
import { isObject, parseJson } from '../http/body.ts';
import { boundaryOf, MultipartError, type Part, parseMultipart } from '../http/multipart.ts';
import { badRequest } from './api-error.ts';
import type { Fields } from './fields.ts';
import type { Operation } from './models.ts';
import type { BodyKind } from './validate-request.ts';

export interface ImageBody {
  kind: BodyKind;
  fields: Fields;
  /** Only of multipart bodies: `image`, `image[]`, `mask`, in the order sent. */
  files: Part[];
}

const INTEGER_FIELDS = new Set(['n', 'output_compression', 'partial_images']);
const FILE_FIELDS = new Set(['image', 'image[]', 'mask']);

export function readImageBody(operation: Operation, contentType: string | undefined, body: Buffer): ImageBody {
  const boundary = boundaryOf(contentType);
  if (operation !== 'generation' && boundary !== null) return readMultipart(body, boundary);
  const json = /^application\/json\b/i.test(contentType ?? '');
  if (operation === 'variation' || (operation === 'edit' && !json)) throw wrongContentType(contentType);
  const fields = parseJson(body.toString('utf8'));
  if (!isObject(fields)) {
    throw badRequest('We could not parse the JSON body of your request. The API expects a JSON payload.', null);
  }
  return { kind: 'json', fields, files: [] };
}

function wrongContentType(contentType: string | undefined) {
  return badRequest(`Invalid Content-Type header (${contentType ?? 'none'}), expected multipart/form-data.`, null);
}

function readMultipart(body: Buffer, boundary: string): ImageBody {
  const fields: Record<string, unknown> = {};
  const files: Part[] = [];
  for (const part of parseForm(body, boundary)) {
    if (FILE_FIELDS.has(part.name)) {
      files.push(part);
      fields[part.name.replace('[]', '')] = part.filename ?? '';
    } else {
      fields[part.name] = textValue(part.name, part.data.toString('utf8'));
    }
  }
  return { kind: 'multipart', fields, files };
}

/** The parts of a form; throws the API's 400. */
export function parseForm(body: Buffer, boundary: string): Part[] {
  try {
    return parseMultipart(body, boundary);
  } catch (error) {
    if (error instanceof MultipartError) throw badRequest(`Could not parse multipart form: ${error.message}.`, null);
    throw error;
  }
}

/** Form fields are text; numbers and booleans are read where the parameter is one. */
function textValue(name: string, text: string): unknown {
  if (INTEGER_FIELDS.has(name) && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (name === 'stream' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

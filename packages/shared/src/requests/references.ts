// The first look at the images of a JSON body, before any is fetched: how many there are, and whether each is named as
// OpenAI's edit schema says, `{file_id}` or `{image_url}` (openai-images.md 2.4, read 2026-11-22).
import { ServiceError } from '../base/errors.ts';
import { type Allowed, checkValue, isRecord } from './allowed.ts';
import type { InputSet, PlacedReference, Reference } from './inputs.ts';
import { withoutNulls } from './nulls.ts';
import { entriesToCheck, missing, quote, tooLong, tooMany, unknownParameter, wrongType } from './problems.ts';

/** Characters of an `image_url`, data URLs included. */
export const LONGEST_IMAGE_URL = 20_971_520;
/** Links are shown and kept with the job; signed ones have about 2,000 characters. */
export const LONGEST_LINK = 8_192;
export const LONGEST_FILE_ID = 256;
const FILE_ID: Allowed = { kind: 'text', min: 1, max: LONGEST_FILE_ID };
/** The media type and parameters before the comma. */
const LONGEST_DATA_HEADER = 256;

const NAMES: readonly string[] = ['file_id', 'image_url'];

export interface FoundReferences {
  readonly references: InputSet<PlacedReference>;
  readonly problems: readonly ServiceError[];
}

/** `given`: the image fields of a body without nulls. `mostImages`: how many the models in question take. */
export function readReferences(given: Readonly<Record<string, unknown>>, mostImages: number): FoundReferences {
  const { image, images, mask, markup } = given;
  const listed = Array.isArray(images) ? images.slice(0, mostImages) : [];
  const read = listed.map((each, index) => readReference(`images[${index}]`, each));
  const readMask = mask === undefined ? null : readReference('mask', mask);
  const readMarkup = markup === undefined ? null : readReference('markup', markup);
  return {
    references: {
      images: read.flatMap(({ placed }) => (placed === null ? [] : [placed])),
      mask: readMask?.placed ?? null,
      markup: readMarkup?.placed ?? null,
    },
    problems: [
      ...(image === undefined ? checkList(images, mostImages) : [imageOfForms()]),
      ...[...read, readMask, readMarkup].flatMap((each) => each?.problems ?? []),
    ],
  };
}

function imageOfForms(): ServiceError {
  const message =
    'Unknown parameter: \'image\'. A JSON body names its images in \'images\', as [{ "image_url": … }] or [{ "file_id": … }]; ' +
    'files are sent as multipart/form-data.';
  return new ServiceError('unknown_parameter', message, { param: 'image' });
}

function checkList(images: unknown, most: number): ServiceError[] {
  if (images === undefined) return [missing('images')];
  if (!Array.isArray(images)) return [wrongType('images', 'an array', images)];
  if (images.length > most) return [tooMany('images', most, images.length)];
  if (images.length > 0) return [];
  const message =
    "Invalid 'images': empty array. Expected an array with minimum length 1, but got an empty array instead.";
  return [new ServiceError('invalid_value', message, { param: 'images' })];
}

interface ReadReference {
  readonly placed: PlacedReference | null;
  readonly problems: readonly ServiceError[];
}

function readReference(param: string, value: unknown): ReadReference {
  const problems = checkReference(param, value);
  if (problems.length > 0) return { placed: null, problems };
  const { file_id: fileId, image_url: url } = value as { file_id?: string | null; image_url?: string | null };
  return { placed: { param, reference: fileId ? { kind: 'file', fileId } : toReference(url ?? '') }, problems };
}

function toReference(url: string): Reference {
  return isDataUrl(url) ? { kind: 'data', dataUrl: url } : { kind: 'url', url };
}

function checkReference(param: string, value: unknown): ServiceError[] {
  if (!isRecord(value)) return [wrongType(param, 'an object', value)];
  const given = withoutNulls(value);
  const { file_id: fileId, image_url: url } = given;
  return [
    ...entriesToCheck(given)
      .filter(([name]) => !NAMES.includes(name))
      .map(([name]) => unknownParameter(`${param}.${name}`, NAMES)),
    ...((fileId === undefined) === (url === undefined)
      ? [notOne(param, fileId === undefined ? 'neither' : 'both')]
      : []),
    ...(fileId === undefined ? [] : checkValue(`${param}.file_id`, fileId, FILE_ID)),
    ...(url === undefined ? [] : checkUrl(`${param}.image_url`, url)),
  ];
}

function notOne(param: string, got: 'neither' | 'both'): ServiceError {
  const message = `Invalid '${param}': expected exactly one of 'file_id' and 'image_url', but got ${got}.`;
  return new ServiceError('invalid_value', message, { param });
}

function isDataUrl(url: string): boolean {
  return url.slice(0, 5).toLowerCase() === 'data:';
}

/** Lengths in UTF-16 units: what may stand in a URL has one each, and counting 20 MB of code points takes its time. */
function checkUrl(param: string, url: unknown): ServiceError[] {
  if (typeof url !== 'string') return [wrongType(param, 'a string', url)];
  const longest = isDataUrl(url) ? LONGEST_IMAGE_URL : LONGEST_LINK;
  if (url.length > longest) return [tooLong(param, longest, url.length)];
  return isDataUrl(url) ? checkDataUrl(param, url) : checkLink(param, url);
}

function checkDataUrl(param: string, url: string): ServiceError[] {
  const comma = url.slice(0, LONGEST_DATA_HEADER).indexOf(',');
  if (comma > 0 && url.slice(0, comma).toLowerCase().endsWith(';base64')) return [];
  const message = `Invalid '${param}': expected a base64-encoded data URL, such as 'data:image/png;base64,…'.`;
  return [new ServiceError('invalid_image_url', message, { param })];
}

function checkLink(param: string, url: string): ServiceError[] {
  const protocol = URL.canParse(url) ? new URL(url).protocol : null;
  if (protocol === 'https:' || protocol === 'http:') return [];
  const message = `Invalid '${param}': ${quote(withoutSecrets(url))} cannot be fetched. Expected an http or https URL, or a base64-encoded data URL.`;
  return [new ServiceError('invalid_image_url', message, { param })];
}

/** What no parser takes for a URL may still be meant as a signed one: without what signs it or logs in. */
function withoutSecrets(url: string): string {
  return url.replace(/[?#].*$/s, '').replace(/^([^/]*\/\/)[^/]*@/, '$1');
}

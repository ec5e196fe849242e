/** The input images and the mask of an edit or variation: fetched, measured and checked against the model's rules. */
import sharp from 'sharp';
import type { Part } from '../http/multipart.ts';
import { badRequest, quotedList, userError } from './api-error.ts';
import { missing } from './fields.ts';
import type { InputImage } from './image-request.ts';
import { type InputImageRules, isLegacy, type Model, type Operation } from './models.ts';

/** Bytes and the type they claim, before any check. */
export interface Candidate {
  /** As named in messages: `image`, `image[0]`, `mask`. */
  label: string;
  /** null: no type was sent at all. */
  mimeType: string | null;
  bytes: Buffer;
}

export interface EditImages {
  inputs: InputImage[];
  mask: InputImage | null;
}

export function candidatesOf(files: readonly Part[]): { images: Candidate[]; mask: Candidate | null } {
  const images = files.filter((part) => part.name !== 'mask');
  const mask = files.find((part) => part.name === 'mask');
  const toCandidate = (part: Part, label: string) => ({ label, mimeType: part.contentType, bytes: part.data });
  return {
    images: images.map((part, index) => toCandidate(part, part.name === 'image' ? 'image' : `image[${index}]`)),
    mask: mask === undefined ? null : toCandidate(mask, 'mask'),
  };
}

/** Throws the API's refusal of the first image that breaks a rule. */
export async function checkEditImages(
  model: Model,
  operation: Operation,
  images: readonly Candidate[],
  mask: Candidate | null,
  listName: string,
): Promise<EditImages> {
  const rules = model.inputImages;
  if (rules === null || images.length === 0) throw missing(listName);
  if (images.length > rules.maxCount) throw tooMany(listName, images.length, rules.maxCount);
  const inputs: InputImage[] = [];
  for (const [index, candidate] of images.entries()) inputs.push(await checkImage(model, rules, candidate, index));
  const first = inputs[0];
  if (first === undefined) throw missing(listName);
  if (isLegacy(model) && operation === 'edit' && mask === null && !first.hasAlpha) {
    throw badRequest("Invalid input image - format must be in ['RGBA', 'LA', 'L'], got RGB.", null);
  }
  return { inputs, mask: mask === null ? null : await checkMask(model, mask, first) };
}

async function checkImage(
  model: Model,
  rules: InputImageRules,
  candidate: Candidate,
  index: number,
): Promise<InputImage> {
  const { label, mimeType, bytes } = candidate;
  if (mimeType === null) {
    const message = `Invalid file '${label}': failed to determine mimetype. Ensure you are providing the file's mimetype as part of the 'Content-Type' header.`;
    throw badRequest(message, 'missing_file_mimetype', label);
  }
  const type = mimeType === 'image/jpg' ? 'image/jpeg' : mimeType;
  if (!rules.formats.includes(type)) throw unsupportedMimeType(label, type, rules.formats);
  if (bytes.length >= rules.maxBytesEach) throw tooLarge(model, label, rules.maxBytesEach);
  const measured = await measure(bytes, type);
  if (measured === null) throw invalidImageFile(index + 1);
  if (rules.squareRequired && measured.width !== measured.height) throw legacyUpload('Uploaded image must be square.');
  return measured;
}

function unsupportedMimeType(label: string, type: string, formats: readonly string[]) {
  const supported =
    formats.length === 1 ? `format is ${quotedList(formats)}` : `formats are ${quotedList(formats.toSorted())}`;
  const message = `Invalid file '${label}': unsupported mimetype ('${type}'). Supported file ${supported}.`;
  return badRequest(message, 'unsupported_file_mimetype', label);
}

async function checkMask(model: Model, candidate: Candidate, first: InputImage): Promise<InputImage> {
  const maxBytes = model.mask?.maxBytes ?? 0;
  if (candidate.bytes.length >= maxBytes) throw tooLarge(model, 'mask', maxBytes);
  const mask = await measure(candidate.bytes, 'image/png');
  if (mask === null) throw invalidMask('mask must be a PNG image');
  if (mask.width !== first.width || mask.height !== first.height) {
    throw invalidMask('mask size does not match image size');
  }
  if (!mask.hasAlpha) throw invalidMask('mask is missing an alpha channel');
  return mask;
}

/** Dimensions and alpha, or null if the bytes are not an image of this type. */
async function measure(bytes: Buffer, mimeType: string): Promise<InputImage | null> {
  const metadata = await sharp(bytes)
    .metadata()
    .catch((): null => null);
  if (metadata === null || `image/${metadata.format}` !== mimeType) return null;
  const { width, height, hasAlpha } = metadata;
  return { bytes, mimeType, width, height, hasAlpha };
}

function tooMany(name: string, count: number, max: number) {
  const message = `Invalid '${name}': array too long. Expected an array with maximum length ${max}, but got an array with length ${count} instead.`;
  return badRequest(message, 'array_above_max_length', name);
}

function tooLarge(model: Model, label: string, maxBytes: number) {
  if (isLegacy(model)) return legacyUpload(`Uploaded image must be a PNG and less than ${maxBytes / 1024 / 1024} MB.`);
  return badRequest(
    `Invalid file '${label}': must be smaller than ${maxBytes / 1024 / 1024}MB.`,
    'file_too_large',
    label,
  );
}

function legacyUpload(message: string) {
  return badRequest(message, null, null);
}

/** Seen live, 1-based in most reports. */
function invalidImageFile(position: number) {
  const message = `Invalid image file or mode for image ${position}, please check your image file.`;
  return userError(message, 'invalid_image_file', null);
}

function invalidMask(reason: string) {
  return userError(`Invalid mask image format - ${reason}`, 'invalid_mask_image_format', null);
}

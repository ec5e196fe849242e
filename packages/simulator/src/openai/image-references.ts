/** The images of a JSON edit: `image_url` (data URL or http link) or `file_id`, exactly one of the two each. */
import { isObject } from '../http/body.ts';
import { badRequest } from './api-error.ts';
import type { Candidate } from './edit-images.ts';
import { type Fields, requireLength } from './fields.ts';
import type { FileStore } from './file-store.ts';

/** Of a data URL, in characters (OpenAI's schema, 2026-08-21). */
const MAX_IMAGE_URL_LENGTH = 20_971_520;
const MAX_DOWNLOAD_BYTES = 50 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_MS = 15_000;

export async function loadReferences(
  fields: Fields,
  files: FileStore,
): Promise<{ images: Candidate[]; mask: Candidate | null }> {
  const listed = fields.images ?? [];
  if (!Array.isArray(listed)) {
    throw badRequest("Invalid type for 'images': expected an array of objects.", 'invalid_type', 'images');
  }
  const images: Candidate[] = [];
  for (const [index, reference] of listed.entries()) {
    images.push(await loadReference(reference, `images[${index}]`, files));
  }
  const mask = fields.mask ?? null;
  return { images, mask: mask === null ? null : await loadReference(mask, 'mask', files) };
}

async function loadReference(reference: unknown, label: string, files: FileStore): Promise<Candidate> {
  if (!isObject(reference)) throw badRequest(`Invalid type for '${label}': expected an object.`, 'invalid_type', label);
  const { image_url: url, file_id: fileId } = reference;
  if (typeof fileId === 'string' && url === undefined) return fromFile(fileId, label, files);
  if (typeof url === 'string' && fileId === undefined) return fromUrl(url, label);
  throw badRequest(`Invalid '${label}': provide exactly one of 'image_url' or 'file_id'.`, 'invalid_value', label);
}

function fromFile(fileId: string, label: string, files: FileStore): Candidate {
  const file = files.get(fileId);
  if (file === null) throw badRequest(`File '${fileId}' was not found.`, 'file_not_found', `${label}.file_id`);
  return { label, mimeType: sniffMimeType(file.data), bytes: file.data };
}

async function fromUrl(url: string, label: string): Promise<Candidate> {
  const param = `${label}.image_url`;
  const data = /^data:([\w.+-]+\/[\w.+-]+);base64,([A-Za-z0-9+/=\s]*)$/.exec(url);
  if (data !== null) {
    requireLength(param, url, MAX_IMAGE_URL_LENGTH);
    return { label, mimeType: data[1] ?? null, bytes: Buffer.from(data[2] ?? '', 'base64') };
  }
  if (!/^https?:\/\//i.test(url)) {
    throw badRequest(`Invalid '${param}': expected an http(s) link or a base64 data URL.`, 'invalid_value', param);
  }
  const bytes = await download(url);
  if (bytes === null) throw badRequest(`Error while downloading ${url}.`, 'invalid_image_url', param);
  return { label, mimeType: sniffMimeType(bytes), bytes };
}

/** The bytes behind a link, or null when they cannot be had. */
async function download(url: string): Promise<Buffer | null> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
    if (!reply.ok) return null;
    const bytes = Buffer.from(await reply.arrayBuffer());
    return bytes.length > MAX_DOWNLOAD_BYTES ? null : bytes;
  } catch {
    return null;
  }
}

/** The type by the first bytes: stored and downloaded files come without one that can be trusted. */
function sniffMimeType(bytes: Buffer): string {
  if (bytes.toString('latin1', 1, 4) === 'PNG') return 'image/png';
  if (bytes.length > 2 && bytes.readUInt16BE(0) === 0xffd8) return 'image/jpeg';
  return bytes.toString('latin1', 8, 12) === 'WEBP' ? 'image/webp' : 'application/octet-stream';
}

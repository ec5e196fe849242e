// What is wrong with an input image or a reference to one, in OpenAI's wording where it is known (openai-images.md 3.2).
import { ServiceError } from '../base/errors.ts';

/** `mimetype`: what the bytes are; null for no bytes at all. */
export function unsupportedFile(param: string, mimetype: string | null): ServiceError {
  const what = mimetype === null ? 'it is empty' : `unsupported mimetype ('${mimetype}')`;
  const message = `Invalid file '${param}': ${what}. Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.`;
  return new ServiceError('unsupported_file_mimetype', message, { param });
}

export function invalidImageFile(param: string, why: string, cause?: unknown): ServiceError {
  const message = `Invalid image file or mode for '${param}', please check your image file: ${why}.`;
  return new ServiceError('invalid_image_file', message, { param, cause });
}

export function fileTooLarge(param: string, maxBytes: number): ServiceError {
  const message = `Invalid file '${param}': too large. It may have ${maxBytes} bytes at most.`;
  return new ServiceError('file_too_large', message, { param });
}

export function tooLargeTogether(param: string, maxBytes: number): ServiceError {
  const message = `Invalid file '${param}': too large. All images of a request may have ${maxBytes} bytes together.`;
  return new ServiceError('file_too_large', message, { param });
}

export function invalidImageUrl(param: string, why: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_image_url', `Invalid '${param}': ${why}.`, { param, cause });
}

export function noSuchInputFile(param: string, fileId: string): ServiceError {
  return new ServiceError('file_not_found', `No such File object: ${fileId.slice(0, 100)}`, { param });
}

export function wrongPurpose(param: string, fileId: string, purpose: string): ServiceError {
  const message = `Invalid file '${fileId}': its purpose is '${purpose}'. Input images are files of purpose 'vision'.`;
  return new ServiceError('invalid_value', message, { param });
}

// The mask of an image that has none of its own but transparent pixels (contract section 4): a PNG of the same size,
// transparent exactly where the image is fully transparent and opaque everywhere else. That is how OpenAI reads a mask
// and read DALL·E 2's images («fully transparent», openai-images.md 2.4, read 2026-11-22), so half transparent pixels
// were never edited. Two values compress well, which keeps the mask below its 4 MB.

import { ServiceError } from '../base/errors.ts';
import { inputKey } from '../images/keys.ts';
import { sharp } from '../images/sharp.ts';
import type { HeldInput } from './held.ts';
import { placesFor } from './inspect-input.ts';
import { MAX_INPUT_BYTES, MAX_INPUT_PIXELS, MAX_MASK_BYTES } from './limits.ts';
import { receiveInput } from './receive-input.ts';
import type { DeskTools } from './tools.ts';

const PARAM = 'mask';
const READ_OPTIONS = { limitInputPixels: MAX_INPUT_PIXELS, sequentialRead: true } as const;

/**
 * Upright, as the image is measured. Throws ServiceError `invalid_mask_image_format` when the image has no alpha channel
 * or its mask would be too large, `input_lost` when its bytes are gone, and StorageError.
 */
export async function makeMask(tools: DeskTools, account: string, held: HeldInput): Promise<HeldInput> {
  if (!held.facts.hasAlpha) throw invalidMask('the image has no alpha channel to make a mask of');
  const path = held.path ?? (await fetchFromStorage(tools, account, held.facts.sha256));
  try {
    const png = await drawInPlace(tools, path, held);
    if (png.length > MAX_MASK_BYTES) throw invalidMask(`made of the image it would have ${png.length} bytes`);
    return await receiveInput(tools, once(png), { param: PARAM, maxBytes: MAX_MASK_BYTES, account });
  } finally {
    if (held.path === null) await tools.aside.remove(path);
  }
}

async function fetchFromStorage(tools: DeskTools, account: string, sha256: string): Promise<string> {
  const found = await tools.store.get(inputKey(account, sha256));
  if (found === null) throw new ServiceError('input_lost', 'An input image is no longer in storage.');
  return (await tools.aside.put(PARAM, found.body, MAX_INPUT_BYTES)).path;
}

async function drawInPlace(tools: DeskTools, path: string, { facts }: HeldInput): Promise<Buffer> {
  return await tools.decoding.run(() => draw(path), placesFor(facts.width * facts.height));
}

/** Black, because colour says nothing in a mask. `linear` makes every alpha but 0 opaque. */
async function draw(path: string): Promise<Buffer> {
  const alpha = await sharp(path, READ_OPTIONS)
    .autoOrient()
    .extractChannel('alpha')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = alpha.info;
  const mask = await sharp(alpha.data, { raw: { width, height, channels: 1 } })
    .linear(255, 0)
    .extractChannel(0)
    .raw()
    .toBuffer();
  return await sharp({ create: { width, height, channels: 3, background: 'black' } })
    .joinChannel(mask, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function invalidMask(why: string): ServiceError {
  return new ServiceError('invalid_mask_image_format', `Invalid mask image format - ${why}`, { param: PARAM });
}

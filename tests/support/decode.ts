// Pictures that came out of Darkroom, or that it sent on, decoded in full: a file that only looks like one fails here.
import { findImageId } from '@darkroom/simulator/openai/image-id.ts';
import sharp from 'sharp';

export interface Picture {
  readonly format: string;
  readonly width: number;
  readonly height: number;
  /** The upstream's id of it, in the bytes as it sent them; null in bytes made anew from them. */
  readonly id: string | null;
}

/** Throws when the bytes are not a whole picture. */
export async function decode(bytes: Buffer): Promise<Picture> {
  const { format } = await sharp(bytes).metadata();
  const { info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  return { format, width: info.width, height: info.height, id: findImageId(bytes) };
}

/** How opaque each pixel is, 0..255, row by row. */
export function alphaOf(bytes: Buffer): Promise<Buffer> {
  return sharp(bytes).ensureAlpha().extractChannel('alpha').raw().toBuffer();
}

export interface Got {
  readonly url?: string;
  readonly b64_json?: string;
}

/** The pictures of a reply, through its links or out of its text. */
export function picturesOf(data: readonly Got[] | undefined): Promise<Picture[]> {
  return Promise.all((data ?? []).map(async (image) => decode(await bytesOf(image))));
}

async function bytesOf({ url, b64_json: text }: Got): Promise<Buffer> {
  if (url === undefined) return Buffer.from(text ?? '', 'base64');
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}`);
  return Buffer.from(await reply.arrayBuffer());
}

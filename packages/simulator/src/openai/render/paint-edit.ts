/**
 * The picture of an edit or a variation. With a mask: the first input, with the new scene where the mask is
 * transparent. Without: the new scene with prints of the inputs laid on it. A variation: the input in other colours.
 */
import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import type { ResolvedRequest } from '../image-request.ts';
import { svgDocument } from './svg-document.ts';

const MAX_PRINTS = 4;
/** Degrees by which the prints are turned, in order. */
const TURNS = [-6, 4, -3, 7];
/** Degrees around the colour circle, per image of a request. */
const HUE_STEP = 38;

export async function paintEdit(
  request: ResolvedRequest,
  scene: string,
  caption: string,
  index: number,
): Promise<Sharp> {
  const { width, height } = request;
  const layers: OverlayOptions[] = [{ input: svgDocument(caption, width, height) }];
  const base = await paintBase(request, scene, index);
  if (request.operation === 'edit' && request.mask === null) layers.unshift(...(await layPrints(request)));
  if (request.background === 'transparent') layers.unshift({ input: disc(width, height), blend: 'dest-in' });
  return sharp(await sharp(base).composite(layers).png({ compressionLevel: 1 }).toBuffer());
}

async function paintBase(request: ResolvedRequest, scene: string, index: number): Promise<Buffer> {
  const { width, height, inputs, mask } = request;
  const drawn = svgDocument(scene, width, height);
  if (request.operation === 'edit' && mask === null) return drawn;
  const fit = { width, height, fit: 'cover' as const };
  const input = sharp(inputs[0]?.bytes).resize(fit).ensureAlpha();
  if (mask === null) return fastPng(input.modulate({ hue: HUE_STEP * (index + 1) }));
  const fresh = await withAlpha(sharp(drawn).ensureAlpha(), await editedArea(mask.bytes, fit));
  const layer = { input: fresh, raw: { width, height, channels: 4 as const } };
  return fastPng(sharp(await fastPng(input)).composite([layer]));
}

/** What stays of a picture with a transparent background. */
function disc(width: number, height: number): Buffer {
  const radius = Math.min(width, height) * 0.44;
  return svgDocument(`<circle cx="${width / 2}" cy="${height * 0.47}" r="${radius}"/>`, width, height);
}

/** Square prints with a white edge, in a loose row from the upper left. */
async function layPrints({ inputs, width, height }: ResolvedRequest): Promise<OverlayOptions[]> {
  const shown = inputs.slice(0, MAX_PRINTS);
  const unit = Math.min(width, height);
  const edge = Math.round(unit * (shown.length === 1 ? 0.36 : 0.25));
  const border = Math.round(edge * 0.045);
  return Promise.all(
    shown.map(async ({ bytes }, at) => {
      const square = await sharp(bytes)
        .resize({ width: edge, height: edge, fit: 'cover' })
        .flatten({ background: '#fff' })
        .toBuffer();
      const sides = { top: border, left: border, right: border, bottom: border * 3, background: '#fdfcf8' };
      const framed = await fastPng(sharp(square).extend(sides).ensureAlpha());
      const input = await fastPng(sharp(framed).rotate(TURNS[at] ?? 0, { background: '#0000' }));
      const left = Math.round(unit * 0.05 + at * edge * 0.88);
      return { input, left, top: Math.round(unit * (0.05 + 0.015 * (at % 2))) };
    }),
  );
}

/** One byte per pixel: 255 where the mask is transparent. */
async function editedArea(mask: Buffer, fit: { width: number; height: number; fit: 'cover' }): Promise<Buffer> {
  return sharp(mask).resize(fit).ensureAlpha().extractChannel('alpha').negate().raw().toBuffer();
}

/** RGBA pixels of a picture with the given alpha. */
async function withAlpha(picture: Sharp, alpha: Buffer): Promise<Buffer> {
  const pixels = await picture.raw().toBuffer();
  for (const [at, value] of alpha.entries()) pixels[at * 4 + 3] = value;
  return pixels;
}

function fastPng(picture: Sharp): Promise<Buffer> {
  return picture.png({ compressionLevel: 1 }).toBuffer();
}

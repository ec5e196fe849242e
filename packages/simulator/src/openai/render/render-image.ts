/** Renders the picture of one image of a request, encoded and carrying its id. */
import sharp, { type Sharp } from 'sharp';
import { embedImageId } from '../image-id.ts';
import type { ResolvedRequest } from '../image-request.ts';
import type { OutputFormat } from '../models.ts';
import { drawCaption } from './caption.ts';
import { paintEdit } from './paint-edit.ts';
import { drawScene } from './scenes.ts';
import { svgDocument } from './svg-document.ts';

export interface ImageNumber {
  id: string;
  serial: number;
  /** Position within its request. */
  index: number;
}

/** One thread per picture: the simulator must not take the machine from what it is simulating for. */
sharp.concurrency(1);

/** Encoded pictures of the fast mode, by everything that shapes the bytes; the promise, so that each is made once. */
const prerendered = new Map<string, Promise<Buffer>>();

/** `fast`: one picture per size and format, made once; only the id differs. */
export async function renderImage(
  request: ResolvedRequest,
  number: ImageNumber,
  mode: 'full' | 'fast',
): Promise<Buffer> {
  const picture = mode === 'fast' ? await prerender(request) : await encode(await paint(request, number), request);
  return embedImageId(picture, request.outputFormat, number.id);
}

async function prerender(request: ResolvedRequest): Promise<Buffer> {
  const { size, outputFormat, outputCompression, background } = request;
  const key = `${size} ${outputFormat} ${outputCompression} ${background}`;
  const known = prerendered.get(key);
  if (known !== undefined) return known;
  const plain = { ...request, operation: 'generation' as const, prompt: 'A simulated image', inputs: [], mask: null };
  const made = paint(plain, { id: '', serial: 0, index: 0 }).then((picture) => encode(picture, plain));
  prerendered.set(key, made);
  return made;
}

async function paint(request: ResolvedRequest, number: ImageNumber): Promise<Sharp> {
  const { width, height, prompt, background } = request;
  const scene = drawScene(prompt, number.index, width, height);
  const transparent = background === 'transparent';
  const generated = request.operation === 'generation';
  const backing = transparent ? 'plate' : generated ? 'shade' : 'band';
  const caption = drawCaption(captionOf(request, number), width, height, backing);
  if (!generated) return paintEdit(request, scene, caption, number.index);
  const content = transparent ? medallion(scene, width, height) : scene;
  return sharp(svgDocument(content + caption, width, height), { limitInputPixels: false });
}

function captionOf(request: ResolvedRequest, { serial }: ImageNumber) {
  const verb = request.operation === 'variation' ? 'Variation' : request.prompt;
  const facts = [request.requestedModel, request.size.replace('x', ' × '), request.quality].join('  ·  ');
  return { prompt: verb, facts, serial: `No. ${String(serial).padStart(6, '0')}` };
}

/** The scene in a disc, everything around it transparent. */
function medallion(scene: string, width: number, height: number): string {
  const radius = Math.min(width, height) * 0.44;
  const center = `cx="${width / 2}" cy="${height * 0.47}"`;
  return `<clipPath id="disc"><circle ${center} r="${radius}"/></clipPath><g clip-path="url(#disc)">${scene}</g><circle ${center} r="${radius}" fill="none" stroke="#fff" stroke-opacity=".85" stroke-width="${radius * 0.02}"/>`;
}

async function encode(picture: Sharp, request: ResolvedRequest): Promise<Buffer> {
  const opaque = request.background === 'transparent' ? picture : picture.flatten({ background: '#000' });
  return ENCODERS[request.outputFormat](opaque, Math.max(1, request.outputCompression)).toBuffer();
}

const ENCODERS: Record<OutputFormat, (picture: Sharp, quality: number) => Sharp> = {
  png: (picture) => picture.png({ compressionLevel: 4 }),
  jpeg: (picture, quality) => picture.jpeg({ quality }),
  webp: (picture, quality) => picture.webp({ quality, effort: 1 }),
};

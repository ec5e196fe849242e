/** Makes and bills the images of a request, and writes the body of a successful reply. */
import { createHash } from 'node:crypto';
import type { ResolvedRequest } from './image-request.ts';
import type { RequestRow } from './ledger.ts';
import type { LinkOptions } from './link-store.ts';
import { renderImage } from './render/render-image.ts';
import { costUsd, type Usage, usageOf } from './usage.ts';
import type { World } from './world.ts';

export interface Produced {
  images: { id: string; bytes: Buffer }[];
  /** null for models that report none. */
  usage: Usage | null;
}

/** Renders `count` images and enters each in the ledger: from here on they are paid. */
export async function produceAndBill(
  world: World,
  request: ResolvedRequest,
  row: RequestRow,
  count: number,
): Promise<Produced> {
  const each = count === 0 ? 0 : costUsd(request, count) / count;
  const images: Produced['images'] = [];
  for (let index = 0; index < count; index += 1) {
    const { id, serial } = world.ledger.nextImageId();
    const bytes = await renderImage(request, { id, serial, index }, world.settings.rendering);
    images.push({ id, bytes });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const { size, quality, outputFormat: format, requestedModel: model } = request;
    const facts = {
      id,
      requestId: row.id,
      index,
      model,
      size,
      quality,
      format,
      costUsd: each,
      bytes: bytes.length,
      sha256,
    };
    world.ledger.bill(facts, request.prompt);
    row.billedImages += 1;
  }
  row.usage = request.model.usage && count > 0 ? usageOf(request, count) : null;
  return { images, usage: row.usage };
}

/** The JSON of a 200. Written by hand around the images: base64 needs no escaping and is most of the bytes. */
export function successBody(
  world: World,
  request: ResolvedRequest,
  produced: Produced,
  nowMs: number,
  link: LinkOptions,
): string {
  const revised = request.model.revisedPrompt
    ? `,"revised_prompt":${JSON.stringify(revisePrompt(request.prompt))}`
    : '';
  const entries = produced.images.map(({ bytes }) => {
    if (request.responseFormat === 'b64_json') return `{"b64_json":"${bytes.toString('base64')}"${revised}}`;
    const type = `image/${request.outputFormat}`;
    const path = world.links.add(bytes, type, nowMs, link);
    return `{"url":${JSON.stringify(world.publicUrl + path)}${revised}}`;
  });
  const head = `{"created":${Math.floor(nowMs / 1000)},"data":[${entries.join(',')}]`;
  const rest = JSON.stringify(echoes(request, produced.usage)).slice(1);
  return rest === '}' ? `${head}}` : `${head},${rest}`;
}

/** GPT image models say what `auto` became; DALL-E echoes nothing. */
function echoes(request: ResolvedRequest, usage: Usage | null): Record<string, unknown> {
  if (!request.model.usage) return {};
  const safety = request.safetyIdentifier === null ? {} : { safety_identifier: request.safetyIdentifier };
  return {
    background: request.background,
    output_format: request.outputFormat,
    quality: request.quality,
    size: request.size,
    ...safety,
    ...(usage === null ? {} : { usage }),
  };
}

function revisePrompt(prompt: string): string {
  return `A detailed, carefully composed image of the following scene: ${prompt}`;
}

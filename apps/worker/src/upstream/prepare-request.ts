// Makes the HTTP request of one attempt, whole, before anything is paid for: nothing can fail any more between the paying
// gate and the socket. Knows the wires: JSON, forms with files, JSON with data URLs (openai-images.md 2.4, read 2026-11-22).
import { randomUUID } from 'node:crypto';
import { editWireOf } from '@darkroom/shared/models/edit-wire.ts';
import type { UpstreamBody } from '@darkroom/shared/models/price.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import { type InputRef, type InputSet, mapInputs } from '@darkroom/shared/requests/inputs.ts';
import { type BodyPart, bodyOf, lengthOf, textPart } from './body-parts.ts';
import { type FormFile, toFormParts } from './form.ts';

export interface WireRequest {
  readonly operation: Operation;
  /** Images asked for. */
  readonly images: number;
  readonly path: string;
  readonly contentType: string;
  readonly lengthBytes: number;
  /** The body, once. Of several parts the last is only given out while `mayEnd` says so; else reading throws. Input images are let go while they are sent. */
  take(mayEnd?: () => boolean): Uint8Array | Iterable<Uint8Array>;
  /** Whether the last part of the body has been taken to be sent; until then no whole request can have arrived. */
  isTaken(): boolean;
}

export interface Asked {
  readonly operation: Operation;
  readonly body: UpstreamBody;
  /** How many images; sent as `n`. */
  readonly images: number;
  readonly inputs: InputSet<InputRef>;
}

/** The bytes of an input image. */
export type BytesOf = (input: InputRef) => Uint8Array;

const PATHS: Readonly<Record<Operation, string>> = {
  generation: '/images/generations',
  edit: '/images/edits',
  variation: '/images/variations',
};

/** `whenSent` is called when no input image is needed any more. */
export function prepareRequest(asked: Asked, bytesOf: BytesOf, whenSent: () => void): WireRequest {
  const { contentType, parts } = encode(asked, bytesOf);
  return {
    operation: asked.operation,
    images: asked.images,
    path: PATHS[asked.operation],
    contentType,
    lengthBytes: lengthOf(parts),
    take: (mayEnd) => bodyOf(parts, whenSent, mayEnd),
    isTaken: () => parts.length === 0,
  };
}

function encode(asked: Asked, bytesOf: BytesOf): { contentType: string; parts: BodyPart[] } {
  const { images: _, mask: __, markup: ___, ...fields } = asked.body;
  const numbered = { ...fields, n: asked.images };
  if (isForm(asked)) {
    const boundary = `darkroom-${randomUUID()}`;
    const parts = toFormParts(boundary, numbered, filesOf(asked.inputs, bytesOf));
    return { contentType: `multipart/form-data; boundary=${boundary}`, parts };
  }
  const parts =
    asked.operation === 'generation' ? [textPart(JSON.stringify(numbered))] : toJsonParts(numbered, asked, bytesOf);
  return { contentType: 'application/json', parts };
}

/** A variation is a form always. */
function isForm({ operation, body }: Asked): boolean {
  if (operation !== 'edit') return operation === 'variation';
  return editWireOf(String(body['model']), body) === 'multipart';
}

const EXTENSIONS: Readonly<Record<string, string>> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

/** One image is `image`, several are `image[]`, as the openai SDK sends them. */
function filesOf({ images, mask, markup }: InputSet<InputRef>, bytesOf: BytesOf): FormFile[] {
  const file = (name: string, stem: string, ref: InputRef): FormFile => ({
    name,
    filename: `${stem}.${EXTENSIONS[ref.content_type] ?? 'bin'}`,
    contentType: ref.content_type,
    bytes: bytesOf(ref),
  });
  return [
    ...images.map((ref, index) =>
      images.length === 1 ? file('image', 'image', ref) : file('image[]', `image-${index + 1}`, ref),
    ),
    ...(mask === null ? [] : [file('mask', 'mask', mask)]),
    ...(markup === null ? [] : [file('markup', 'markup', markup)]),
  ];
}

/** The body as JSON, each data URL cut out and put back as a part that becomes base64 only while it is sent. */
function toJsonParts(fields: UpstreamBody, { inputs }: Asked, bytesOf: BytesOf): BodyPart[] {
  const marker = randomUUID();
  const placed: InputRef[] = [];
  const { images, mask, markup } = mapInputs(inputs, (ref) => {
    placed.push(ref);
    return { image_url: marker };
  });
  const text = JSON.stringify({
    ...fields,
    images,
    ...(mask === null ? {} : { mask }),
    ...(markup === null ? {} : { markup }),
  });
  const [head = '', ...rest] = text.split(marker);
  return [
    textPart(head),
    ...placed.flatMap((ref, index) => [
      textPart(`data:${ref.content_type};base64,`),
      { bytes: bytesOf(ref), isBase64: true },
      textPart(rest[index] ?? ''),
    ]),
  ];
}

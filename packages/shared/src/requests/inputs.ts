// Input images of edits and variations as requests see them: references a body may hold, what was measured from the
// bytes, and the short form under which records and queue speak of them. Bytes are the affair of `inputs/`.

/** Formats an input image may have; other formats are refused when the bytes are measured. */
export type InputFormat = 'png' | 'jpeg' | 'webp';

/** An input image, measured from its bytes. */
export interface InputFacts {
  /** Of the bytes, hex. */
  readonly sha256: string;
  readonly bytes: number;
  readonly format: InputFormat;
  readonly contentType: string;
  /** Pixels after the orientation the file asks for. */
  readonly width: number;
  readonly height: number;
  /** Whether the format carries transparency here. */
  readonly hasAlpha: boolean;
  /** Whether at least one pixel is fully transparent. */
  readonly isTransparent: boolean;
}

/** How a JSON body names an image (openai-images.md 2.4, read 2026-11-22). */
export type Reference =
  | { readonly kind: 'file'; readonly fileId: string }
  | { readonly kind: 'url'; readonly url: string }
  /** A data URL as given. */
  | { readonly kind: 'data'; readonly dataUrl: string };

/** A reference and where it stands in the body as sent: `images[0]`, `mask`; of a job `input.images[0]`, of a batch line `body.mask`. */
export interface PlacedReference {
  readonly param: string;
  readonly reference: Reference;
}

/** The images of one request, in their roles; `T` is what is known of each. */
export interface InputSet<T> {
  readonly images: readonly T[];
  readonly mask: T | null;
  readonly markup: T | null;
}

/** An image whose bytes are here. */
export interface InputImage {
  /** How callers know it: `image`, `image[1]`, `mask` of a form; else the `param` of its reference. */
  readonly param: string;
  /** What of the reference is shown in `job.input`: `{file_id}`, `{image_url}` without query and credentials, or nothing. */
  readonly shown: { readonly file_id?: string; readonly image_url?: string };
  readonly facts: InputFacts;
}

/** An input image in a request's body and in `job.input`: stored under its account and hash (`inputKey`). */
export interface InputRef {
  readonly sha256: string;
  readonly content_type: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
}

export function toInputRef({ sha256, contentType, bytes, width, height }: InputFacts): InputRef {
  return { sha256, content_type: contentType, bytes, width, height };
}

/** Every image of a set, the input images first. */
export function allOf<T>({ images, mask, markup }: InputSet<T>): T[] {
  return [...images, ...(mask === null ? [] : [mask]), ...(markup === null ? [] : [markup])];
}

/** The same set with `change` made to each of its images. */
export function mapInputs<T, U>({ images, mask, markup }: InputSet<T>, change: (each: T) => U): InputSet<U> {
  return {
    images: images.map(change),
    mask: mask === null ? null : change(mask),
    markup: markup === null ? null : change(markup),
  };
}

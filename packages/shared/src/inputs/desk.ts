// Takes input images in from wherever they come (forms, files, URLs, data URLs), for one process: from their arrival to
// their place in storage.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { Slots } from '../base/slots.ts';
import type { ImageStore } from '../images/store.ts';
import type { GuardedAgent } from '../net/guard.ts';
import type { InputSet, PlacedReference } from '../requests/inputs.ts';
import { openAside } from './aside.ts';
import { FetchPlaces } from './fetch-places.ts';
import type { AsideFile, HeldInput, TakenInput } from './held.ts';
import { storeInputs } from './input-store.ts';
import { DECODING_PLACES } from './inspect-input.ts';
import { makeMask } from './make-mask.ts';
import { holdFile, receiveInput, releaseInputs } from './receive-input.ts';
import { resolveInputs } from './resolve-inputs.ts';
import type { DeskTools } from './tools.ts';

export type { HeldInput, TakenInput } from './held.ts';

export interface InputDeskOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ImageStore;
  /** For callers' URLs: trusts no host of the operator's. */
  readonly agent: GuardedAgent;
  /** Bounds what one `resolve` fetches, all images together. */
  readonly maxUploadBytes: number;
}

/** Whatever is held has to be released, kept or not. When a method throws, it holds nothing. */
export interface InputDesk {
  /**
   * One file of a form. Throws ServiceError with `param`: `file_too_large` as soon as the body has more than `maxBytes`,
   * `unsupported_file_mimetype`, `invalid_image_file`; what the body throws as it is.
   */
  receive(param: string, body: AsyncIterable<Uint8Array>, maxBytes: number, signal?: AbortSignal): Promise<HeldInput>;
  /** A file of which nobody knows yet whether it is to be an image. Throws as `receive` does for the size. */
  putAside(param: string, body: AsyncIterable<Uint8Array>, maxBytes: number, signal?: AbortSignal): Promise<AsideFile>;
  /** Inspects a file put aside, which is held from then on, or is gone. Throws as `receive` does. */
  hold(param: string, file: AsideFile, signal?: AbortSignal): Promise<HeldInput>;
  /**
   * The references of a body of `account`, in the same roles. Throws ServiceError with all problems: `file_not_found`,
   * `invalid_image_url`, `file_too_large`, and those of `receive`.
   */
  resolve(account: string, references: InputSet<PlacedReference>, signal?: AbortSignal): Promise<InputSet<TakenInput>>;
  /** The mask made of an image's transparency (PNG, same size); see make-mask.ts. */
  maskOf(account: string, held: HeldInput): Promise<HeldInput>;
  /**
   * Bytes not yet in storage go there; all are kept until `keepUntilMs` (unix ms) at least, and a later time stands.
   * Throws StorageError.
   */
  keep(account: string, held: readonly HeldInput[], keepUntilMs: number): Promise<void>;
  /** Removes temporary files; again does no harm. Never throws. */
  release(held: readonly Pick<HeldInput, 'path'>[]): Promise<void>;
  close(): Promise<void>;
}

/** Throws StorageError when there is no room for temporary files. */
export async function openInputDesk(options: InputDeskOptions): Promise<InputDesk> {
  const aside = await openAside();
  const tools: DeskTools = {
    ...options,
    aside,
    decoding: new Slots(DECODING_PLACES),
    fetches: new FetchPlaces(),
  };
  return {
    receive: (param, body, maxBytes, signal) => receiveInput(tools, body, { param, maxBytes, account: null, signal }),
    putAside: (param, body, maxBytes, signal) => aside.put(param, body, maxBytes, signal),
    hold: (param, file, signal) => holdFile(tools, file, { param, account: null, signal }),
    resolve: (account, references, signal) => resolveInputs(tools, account, references, signal),
    maskOf: (account, held) => makeMask(tools, account, held),
    keep: (account, held, keepUntilMs) => storeInputs(tools, account, held, keepUntilMs),
    release: (held) => releaseInputs(tools, held),
    close: () => aside.close(),
  };
}

// The input images of one call, read from storage before a permit is taken and before anything is paid for. All that this
// process holds at a time is bounded, and shared by the lanes; what was sent is let go at once.
import { createHash } from 'node:crypto';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Slot } from '@darkroom/shared/base/slots.ts';
import { StorageError } from '@darkroom/shared/images/store.ts';
import { readInput } from '@darkroom/shared/inputs/input-store.ts';
import { inputsOf, type JobSpec } from '@darkroom/shared/jobs/spec.ts';
import { allOf, type InputRef } from '@darkroom/shared/requests/inputs.ts';
import type { Deps } from '../deps.ts';
import type { BytesOf } from '../upstream/prepare-request.ts';

export interface InputsRead {
  readonly kind: 'read';
  readonly bytesOf: BytesOf;
  /** Lets the bytes go; may be called twice. */
  free(): void;
}

export type ReadInputs =
  | InputsRead
  /** One of them is gone, or is not what it was: the call can never be made. */
  | { readonly kind: 'lost'; readonly error: ServiceError }
  /** Storage is away. */
  | { readonly kind: 'away'; readonly reason: string }
  /** `signal` aborted while others held too much. */
  | { readonly kind: 'stopped' }
  /** Others held too much for too long. */
  | { readonly kind: 'crowded' };

/** Of one call. One at a time would add up the round trips of sixteen images. */
const READS_AT_ONCE = 4;

/** Then a call gives up its place in the process: an upload that does not move must not hold up calls of other lanes. */
const ROOM_WAIT_MS = 10_000;

export async function readInputs(deps: Deps, spec: JobSpec, signal: AbortSignal): Promise<ReadInputs> {
  const places = placesOf(spec);
  const room = await takeRoom(deps, spec.lane, places, signal);
  if (room === null) return { kind: signal.aborted ? 'stopped' : 'crowded' };
  const held = new Map<string, Uint8Array>();
  const free = (): void => {
    held.clear();
    room.free();
  };
  try {
    await readAll(deps, spec.account, places, held);
    return { kind: 'read', bytesOf: (ref) => bytesIn(held, ref), free };
  } catch (error) {
    free();
    if (error instanceof StorageError) return { kind: 'away', reason: error.message };
    if (error instanceof ServiceError) return { kind: 'lost', error };
    throw error;
  }
}

/** Each image once, whatever roles it has; with the `param` of its first. */
function placesOf(spec: JobSpec): Map<string, { ref: InputRef; param: string }> {
  const { images, mask, markup } = inputsOf(spec);
  const named = allOf<{ ref: InputRef; param: string }>({
    images: images.map((ref, index) => ({ ref, param: `images[${index}]` })),
    mask: mask === null ? null : { ref: mask, param: 'mask' },
    markup: markup === null ? null : { ref: markup, param: 'markup' },
  });
  return new Map(named.toReversed().map((place) => [place.ref.sha256, place]));
}

const NO_ROOM_NEEDED: Slot = { free: () => undefined };

async function takeRoom(
  deps: Deps,
  lane: string,
  places: ReadonlyMap<string, { ref: InputRef }>,
  signal: AbortSignal,
): Promise<Slot | null> {
  if (places.size === 0) return NO_ROOM_NEEDED;
  const bytes = [...places.values()].reduce((sum, { ref }) => sum + ref.bytes, 0);
  const giveUp = AbortSignal.any([signal, AbortSignal.timeout(ROOM_WAIT_MS)]);
  try {
    return await deps.inputRoom.take(lane, giveUp, bytes);
  } catch (error) {
    if (giveUp.aborted) return null;
    throw error;
  }
}

/** Throws StorageError, and ServiceError `input_lost`. All reads have ended by then. */
async function readAll(
  deps: Deps,
  account: string,
  places: ReadonlyMap<string, { ref: InputRef; param: string }>,
  held: Map<string, Uint8Array>,
): Promise<void> {
  const left = places.values();
  const reader = async (): Promise<void> => {
    for (const { ref, param } of left) held.set(ref.sha256, await readOne(deps, account, ref, param));
  };
  const ends = await Promise.allSettled(Array.from({ length: READS_AT_ONCE }, reader));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

async function readOne(deps: Deps, account: string, ref: InputRef, param: string): Promise<Uint8Array> {
  const bytes = await readInput(deps.store, account, ref.sha256);
  if (bytes === null) throw inputLost(param, 'is gone');
  if (createHash('sha256').update(bytes).digest('hex') !== ref.sha256) throw inputLost(param, 'is not what it was');
  return bytes;
}

function inputLost(param: string, what: string): ServiceError {
  const message = `The input image '${param}' ${what}, so the request could not be sent. Submit it again.`;
  return new ServiceError('input_lost', message, { param });
}

function bytesIn(held: ReadonlyMap<string, Uint8Array>, { sha256 }: InputRef): Uint8Array {
  const bytes = held.get(sha256);
  if (bytes === undefined) throw new TypeError(`input ${sha256} was not read`);
  return bytes;
}

// Input images in storage: put there, read, kept longer, removed when nobody needs them. When which is due is in steps.ts.
import { createReadStream } from 'node:fs';
import { ServiceError } from '../base/errors.ts';
import { inputKey } from '../images/keys.ts';
import type { ImageStore } from '../images/store.ts';
import type { HeldInput } from './held.ts';
import { CLAIM_LIFE_MS, claimInput, dropInput, dueInputs, type InputSteps, keepInputs } from './steps.ts';

export interface InputDeps extends InputSteps {
  readonly store: ImageStore;
}

/** Whatever is kept stays this long, so that nothing is removed while it is being stored. */
const SHORTEST_KEEP_MS = 3_600_000;

/** The bytes; null when they are gone. Throws StorageError. */
export async function readInput(store: ImageStore, account: string, sha256: string): Promise<Buffer | null> {
  const bytes = await store.read(inputKey(account, sha256));
  return bytes === null ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Stores what is not there yet and keeps all until `keepUntilMs` (unix ms) at least; the bytes are there when it resolves.
 * Throws StorageError, and ServiceError `input_lost` for an image that has no file and is not in storage any more.
 */
export async function storeInputs(
  deps: InputDeps,
  account: string,
  held: readonly HeldInput[],
  keepUntilMs: number,
): Promise<void> {
  const distinct = [...new Map(held.map((each) => [each.facts.sha256, each])).values()];
  if (distinct.length === 0) return;
  const kept = distinct.map(({ facts }) => ({ sha256: facts.sha256, facts }));
  await keepInputs(deps, account, kept, Math.max(keepUntilMs, Date.now() + SHORTEST_KEEP_MS));
  for (const { facts, path } of distinct) {
    const key = inputKey(account, facts.sha256);
    const found = await deps.store.head(key);
    // What a damaged storage has cut is put there anew; without that it could never be sent again.
    if (found?.bytes === facts.bytes || (found !== null && path === null)) continue;
    if (path === null) throw new ServiceError('input_lost', 'An input image is no longer in storage.');
    await deps.store.putStream(key, createReadStream(path), { contentType: facts.contentType });
  }
}

/** Keeps inputs longer, as a retry needs it; false when one of them is gone. Throws StorageError. */
export async function extendInputs(
  deps: InputDeps,
  account: string,
  sha256s: readonly string[],
  keepUntilMs: number,
): Promise<boolean> {
  const distinct = [...new Set(sha256s)];
  if (distinct.length === 0) return true;
  const kept = distinct.map((sha256) => ({ sha256, facts: null }));
  if (!(await keepInputs(deps, account, kept, keepUntilMs))) return false;
  const found = await Promise.all(distinct.map((sha256) => deps.store.head(inputKey(account, sha256))));
  return !found.includes(null);
}

/**
 * Removes at most `limit` inputs that are due at `now` (unix ms) and tells how many; safe on all workers at once. Throws
 * StorageError: the rest, and the one under way, are left to the next sweep.
 */
export async function sweepInputs(deps: InputDeps, now: number, limit: number): Promise<number> {
  let removed = 0;
  for (const due of await dueInputs(deps, now, limit)) {
    const claimedAt = performance.now();
    const claim = await claimInput(deps, due, now);
    // A claim that may be taken over before the delete is through is not acted upon.
    if (claim === null || performance.now() - claimedAt > CLAIM_LIFE_MS / 4) continue;
    await deps.store.delete(inputKey(due.account, due.sha256));
    if (await dropInput(deps, due, claim)) removed += 1;
  }
  return removed;
}

// Whether the storage is away, or is there and has a reason of its own not to take or give one object: too large for a proxy
// before it, forbidden by a rule, in a folder that is damaged. Only the first stops calls and holds up other answers.
import { StorageError } from '@darkroom/shared/images/store.ts';
import type { AnswerId } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';

/** `away`: the storage is, and the breaker is open · `refused`: it is there, it can be written, and this does not go. */
export interface Trouble {
  readonly kind: 'away' | 'refused';
  readonly reason: string;
}

/** Opens the breaker when it is not. */
export async function isStorageWell(deps: Deps, look: () => Promise<void>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    deps.breaker.trip(error.message);
    return false;
  }
}

/** Work on an object of a waiting answer. With the storage there it is tried once more: it may have come back just then. */
export async function askStorage<T>(
  deps: Deps,
  about: AnswerId & { readonly index: number; readonly key: string },
  work: () => Promise<T>,
): Promise<{ readonly kind: 'done'; readonly value: T } | Trouble> {
  for (let isAgain = false; ; isAgain = true) {
    try {
      return { kind: 'done', value: await work() };
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      const { message: reason } = error;
      if (await isAway(deps, error)) return { kind: 'away', reason };
      if (!isAgain) continue;
      deps.log.error(
        { err: error, ...about, reason },
        'the image storage is there, and refuses a paid image: it waits',
      );
      return { kind: 'refused', reason };
    }
  }
}

/** Of one that is full a probe tells nothing: what is small may still go in. */
async function isAway(deps: Deps, { message, isFull }: StorageError): Promise<boolean> {
  if (isFull) {
    deps.breaker.trip(message);
    return true;
  }
  deps.metrics.storageErrors.inc();
  return !(await isStorageWell(deps, () => deps.store.probe()));
}

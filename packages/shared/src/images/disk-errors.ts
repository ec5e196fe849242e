// What a file system says, as the disk store tells it.
import { errnoOf } from './files.ts';
import { StorageError } from './store.ts';

/** Turns a file system's error into StorageError; everything else (a bug, an abort, our own error) stays what it is. */
export async function storing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    const code = errnoOf(error);
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    throw new StorageError(`The image storage cannot ${what} (${code}).`, error, { isFull });
  }
}

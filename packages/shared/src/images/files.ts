// Writing and removing single files so that they survive kill -9 and power loss. Knows paths, not keys.
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** How often a write starts over because someone removed the emptied folder under it. */
const PLACE_TRIES = 10;

/** The errno code of a file system error, else undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined;
}

/** For `catch`: undefined when there is no such file (a folder is none), any other error goes on. */
export function ignoreMissing(error: unknown): undefined {
  if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(errnoOf(error) ?? '')) return undefined;
  throw error;
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `folder` and the folders above it, innermost first, without `root`. */
function foldersBelow(root: string, folder: string): string[] {
  return folder === root ? [] : [folder, ...foldersBelow(root, dirname(folder))];
}

/** Makes `folder` and those above it, but not `root`: a root that is gone is a disk that is away. */
async function makeFolders(root: string, folder: string): Promise<void> {
  for (const path of foldersBelow(root, folder).toReversed()) {
    await mkdir(path).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  }
}

/** Moves a finished file into place and makes that last. */
async function place(temporary: string, path: string, root: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await makeFolders(root, dirname(path));
      await rename(temporary, path);
      break;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries === PLACE_TRIES) throw error;
    }
  }
  // Innermost first: it commits the journal, which leaves next to nothing to do for those above. A folder that is gone
  // was emptied by a delete of this very file, which came after the write.
  for (const folder of foldersBelow(root, dirname(path))) await syncFolder(folder).catch(ignoreMissing);
  await syncFolder(root);
}

/**
 * Writes `body` to `path` below `root`: a new file in `temporaryFolder` (also below `root`, on the same file system),
 * fsync, rename, fsync of the folders. Once it resolves the file survives power loss; until then `path` holds what it
 * held before. Throws the file system's error, the body's, or the signal's reason.
 */
export async function writeDurably(
  path: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  root: string,
  temporaryFolder: string,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const temporary = join(temporaryFolder, `${randomUUID()}.tmp`);
  try {
    await makeFolders(root, temporaryFolder);
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(body);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal?.throwIfAborted();
    await place(temporary, path, root);
  } catch (error) {
    await unlink(temporary).catch(() => undefined); // a full or vanished disk: the sweep takes what is left
    throw error;
  }
}

/** Removes a file, and the folders below `root` that this leaves empty. Whether there was a file. */
export async function removeFile(path: string, root: string): Promise<boolean> {
  const existed = await unlink(path).then(() => true, ignoreMissing);
  if (existed === undefined) return false;
  await syncFolder(dirname(path)).catch(ignoreMissing);
  for (const folder of foldersBelow(root, dirname(path))) {
    const error: unknown = await rmdir(folder).catch((failure: unknown) => failure);
    if (error === undefined) continue;
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT') break;
    throw error;
  }
  return true;
}

/** Removes the files of `folder` that were last written before `beforeMs` (unix ms). */
export async function sweepFolder(folder: string, beforeMs: number): Promise<void> {
  for (const name of (await readdir(folder).catch(ignoreMissing)) ?? []) {
    const path = join(folder, name);
    const found = await stat(path).catch(ignoreMissing);
    if (found?.isFile() && found.mtimeMs < beforeMs) await unlink(path).catch(ignoreMissing);
  }
}

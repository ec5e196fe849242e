// Writing and removing single files so that they survive kill -9 and power loss. Knows paths, not keys.
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
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

/** Makes `folder` and those above it, but not `root`: a root that is gone is a disk that is away. Those it made. */
async function makeFolders(root: string, folder: string): Promise<string[]> {
  const made: string[] = [];
  for (const path of foldersBelow(root, folder).toReversed()) {
    const error: unknown = await mkdir(path).catch((failure: unknown) => failure);
    if (error === undefined) made.push(path);
    else if (errnoOf(error) !== 'EEXIST') throw error;
  }
  return made;
}

/** Does `work`, which needs `folder`; it mostly is there, so it is made only when it turns out to be missing. */
async function inFolder<T>(root: string, folder: string, work: () => Promise<T>): Promise<{ done: T; made: string[] }> {
  const made: string[] = [];
  for (let tries = 1; ; tries += 1) {
    try {
      return { done: await work(), made };
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || tries === PLACE_TRIES) throw error;
    }
    made.push(...(await makeFolders(root, folder)));
  }
}

export interface NewFile {
  readonly path: string;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Where files are written: all below `root`, on one file system. `temporary` holds what is not finished. */
export interface Place {
  readonly root: string;
  readonly temporary: string;
}

/** A file under a name of its own until it is finished. */
interface Staged extends NewFile {
  readonly from: string;
}

/**
 * Writes the bodies in their order, because one may take hours to come and what lies there that long is swept; then makes
 * them last, all at the same time, so that the disk syncs them together.
 */
async function stage({ root, temporary }: Place, files: readonly Staged[]): Promise<void> {
  const handles: FileHandle[] = [];
  try {
    for (const { from, body } of files) {
      const { done: handle } = await inFolder(root, temporary, () => open(from, 'wx'));
      handles.push(handle);
      await handle.writeFile(body);
    }
    const ends = await Promise.allSettled(handles.map((handle) => handle.sync()));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

/** Moves finished files into place, in their order, and makes that last. */
async function putInPlace(root: string, moves: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const changed = new Set<string>();
  for (const [from, to] of moves) {
    const { made } = await inFolder(root, dirname(to), () => rename(from, to));
    for (const folder of [to, ...made]) changed.add(dirname(folder));
  }
  // A folder made by someone else meanwhile is theirs to sync; journals commit in order, so ours then holds theirs too.
  // A folder that is gone was emptied by a delete of this very file, which came after the write.
  await Promise.all([...changed].map((folder) => syncFolder(folder).catch(folder === root ? rethrow : ignoreMissing)));
}

function rethrow(error: unknown): never {
  throw error;
}

/**
 * Writes files: new ones in the temporary folder, synced together; then renames in the given order, and fsync of the
 * folders that changed. Once it resolves the files survive power loss; until then each path holds what it held before
 * or the whole new file, and none is changed when a body fails. Throws the file system's error, the
 * body's, or the signal's reason.
 */
export async function writeDurably(files: readonly NewFile[], place: Place, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const staged = files.map(({ path, body }) => ({ path, body, from: join(place.temporary, `${randomUUID()}.tmp`) }));
  try {
    await stage(place, staged);
    signal?.throwIfAborted();
    await putInPlace(
      place.root,
      staged.map(({ from, path }) => [from, path]),
    );
  } catch (error) {
    // A full or vanished disk, or one that has moved already: the sweep takes what is left.
    await Promise.all(staged.map(({ from }) => unlink(from).catch(() => undefined)));
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

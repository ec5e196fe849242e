// Writing and removing single files so that they survive kill -9 and power loss. Knows paths, not keys.
import { randomUUID } from 'node:crypto';
import { close, constants, fsync, open, write } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open as openHandle,
  readdir,
  rename,
  rmdir,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

// Numbers instead of handles where many small files are written: half the time of the main thread.
const openFile = promisify(open);
const writeFile = promisify(write);
const syncFile = promisify(fsync);
const closeFile = promisify(close);

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
  const file = await openFile(path, 'r');
  try {
    await syncFile(file);
  } finally {
    await closeFile(file);
  }
}

/** `folder` and the folders above it, innermost first, without `root`. */
function foldersBelow(root: string, folder: string): string[] {
  return folder === root ? [] : [folder, ...foldersBelow(root, dirname(folder))];
}

/**
 * Makes `folder` and what is missing above it, but not `root`: a root that is gone is a disk that is away. Those it made,
 * outermost first.
 */
async function makeFolders(root: string, folder: string): Promise<string[]> {
  if (folder === root) {
    await stat(`${root}/`);
    return [];
  }
  const error: unknown = await mkdir(folder).catch((failure: unknown) => failure);
  if (error === undefined) return [folder];
  if (errnoOf(error) === 'EEXIST') return [];
  if (errnoOf(error) !== 'ENOENT') throw error;
  const above = await makeFolders(root, dirname(folder));
  return [...above, ...(await makeFolders(root, folder))];
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

/** A function makes the bytes while those of the files before it are on their way to the disk. */
export type Bytes = Uint8Array | (() => Uint8Array);

export interface NewFile {
  readonly path: string;
  readonly body: Bytes | AsyncIterable<Uint8Array>;
  /** Replaces nothing: where there is a file already, neither this one nor those after it are put in place. */
  readonly isNew?: boolean;
}

/** Where files are written: all below `root`, on one file system. `temporary` holds what is not finished. */
export interface Place {
  readonly root: string;
  readonly temporary: string;
  /** Folders that were there lately: saves a try for each file that goes into them. Only a hint, and kept small. */
  readonly known?: Set<string>;
}

/** A file under a name of its own until it is finished. */
interface Staged extends NewFile {
  readonly from: string;
}

/** On Linux a file can be opened so that each write waits for the disk, which saves a turn; elsewhere that promises less. */
const DATA_SYNC = process.platform === 'linux' ? constants.O_DSYNC : 0;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

async function openSynced({ root, temporary }: Place, path: string): Promise<number> {
  return (await inFolder(root, temporary, () => openFile(path, NEW_FILE | DATA_SYNC))).done;
}

async function writeAndClose(file: number, body: Bytes): Promise<void> {
  try {
    let rest = body instanceof Uint8Array ? body : body();
    while (rest.length > 0) rest = rest.subarray((await writeFile(file, rest)).bytesWritten);
    if (DATA_SYNC === 0) await syncFile(file);
  } finally {
    await closeFile(file);
  }
}

/** Of each file whether it was written. All are opened before the first is written, so that the writes begin in their order. */
async function writeTogether(
  place: Place,
  files: readonly { readonly from: string; readonly body: Bytes }[],
): Promise<PromiseSettledResult<void>[]> {
  const opened = await Promise.allSettled(files.map(({ from }) => openSynced(place, from)));
  const writes = files.map(async ({ body }, index) => {
    const file = opened[index];
    if (file?.status !== 'fulfilled') throw file?.reason;
    await writeAndClose(file.value, body);
  });
  return await Promise.allSettled(writes);
}

/** Makes the folders that files go to, unless they were there lately, and adds those it made to `made`. */
async function makeTheirFolders({ root, known }: Place, files: readonly Staged[], made: string[]): Promise<void> {
  for (const folder of new Set(files.map(({ path }) => dirname(path))))
    if (!known?.has(folder)) made.push(...(await makeFolders(root, folder)));
}

/**
 * Streamed bodies first and in their order, because one may take hours to come and what lies there that long is swept;
 * then all are made to last at the same time, so that the disk syncs them together, and beside that their folders.
 */
async function stage(place: Place, files: readonly Staged[], made: string[]): Promise<void> {
  const handles: FileHandle[] = [];
  const ofBytes: { readonly from: string; readonly body: Bytes }[] = [];
  try {
    for (const { from, body } of files) {
      if (body instanceof Uint8Array || typeof body === 'function') {
        ofBytes.push({ from, body });
        continue;
      }
      const { done: handle } = await inFolder(place.root, place.temporary, () => openHandle(from, 'wx'));
      handles.push(handle);
      await handle.writeFile(body);
    }
    const beside = [makeTheirFolders(place, files, made), ...handles.map((handle) => handle.sync())];
    const ends = await Promise.all([writeTogether(place, ofBytes), Promise.allSettled(beside)]);
    for (const end of ends.flat()) if (end.status === 'rejected') throw end.reason;
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

const MOST_KNOWN = 1_000;

/** What file systems without hard links say (exFAT, some network ones). */
const NO_LINKS: readonly (string | undefined)[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** False when there is a file already. Without hard links one that comes just then is replaced. */
async function linkNew(from: string, path: string): Promise<boolean> {
  const error: unknown = await link(from, path).catch((failure: unknown) => failure);
  if (error === undefined) return true;
  if (errnoOf(error) === 'EEXIST') return false;
  if (!NO_LINKS.includes(errnoOf(error))) throw error;
  if ((await stat(path).catch(ignoreMissing)) !== undefined) return false;
  await rename(from, path);
  return true;
}

async function moveIn({ from, path, isNew }: Staged): Promise<boolean> {
  if (isNew) return await linkNew(from, path);
  await rename(from, path);
  return true;
}

/**
 * Moves finished files into place, in their order, and makes that last, with the folders that were made for them. False when a
 * new one's place was taken.
 */
async function putInPlace(
  { root, known = new Set() }: Place,
  files: readonly Staged[],
  madeBefore: readonly string[],
): Promise<boolean> {
  let isFree = true;
  const changed = new Set(madeBefore.map(dirname));
  for (const file of files) {
    const folder = dirname(file.path);
    const { done, made } = await inFolder(root, folder, () => moveIn(file));
    for (const outer of made.map(dirname)) changed.add(outer);
    // Also when the place was taken: whoever took it may not have synced yet, and what is there is now believed.
    changed.add(folder);
    if (known.size >= MOST_KNOWN) known.clear();
    known.add(folder);
    isFree = done;
    if (!isFree) break;
  }
  // A folder made by someone else meanwhile is theirs to sync; journals commit in order, so ours then holds theirs too.
  // A folder that is gone was emptied by a delete of this very file, which came after the write.
  const syncs = [...changed].map((folder) => syncFolder(folder).catch(folder === root ? rethrow : ignoreMissing));
  // A linked file has its first name too.
  await Promise.all([...syncs, ...(files.some(({ isNew }) => isNew) ? [removeStaged(files)] : [])]);
  return isFree;
}

/** What can't be removed now is left for the sweep. */
async function removeStaged(files: readonly Staged[]): Promise<void> {
  await Promise.all(files.map(({ from }) => unlink(from).catch(() => undefined)));
}

/** Folders made for files that were not put there. One that can't go (it holds another's file by now, the disk is gone) stays, and its outer ones. */
async function removeMade(folders: readonly string[]): Promise<void> {
  for (const folder of folders.toReversed()) {
    const isGone = await rmdir(folder).then(
      () => true,
      (error: unknown) => errnoOf(error) === 'ENOENT',
    );
    if (!isGone) return;
  }
}

function rethrow(error: unknown): never {
  throw error;
}

/**
 * Writes files: new ones in the temporary folder, synced together; then renames (or links, `isNew`) in the given order,
 * and fsync of the folders that changed. Once it resolves the files survive power loss; until then each path holds what
 * it held before or the whole new file, and none is changed when a body fails. False when a place was taken. Throws the
 * file system's error, the body's, or the signal's reason.
 */
export async function writeDurably(files: readonly NewFile[], place: Place, signal?: AbortSignal): Promise<boolean> {
  signal?.throwIfAborted();
  const staged = files.map((file) => ({ ...file, from: join(place.temporary, `${randomUUID()}.tmp`) }));
  const made: string[] = [];
  try {
    await stage(place, staged, made);
    signal?.throwIfAborted();
    return await putInPlace(place, staged, made);
  } catch (error) {
    // A full or vanished disk, or one that has moved already.
    await removeStaged(staged);
    await removeMade(made);
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

/** Removes the files of `folder` that were last written before `beforeMs` (unix ms), and tells how many. */
export async function sweepFolder(folder: string, beforeMs: number): Promise<number> {
  let removed = 0;
  for (const name of (await readdir(folder).catch(ignoreMissing)) ?? []) {
    const path = join(folder, name);
    const found = await stat(path).catch(ignoreMissing);
    if (!found?.isFile() || found.mtimeMs >= beforeMs) continue;
    if (await unlink(path).then(() => true, ignoreMissing)) removed += 1;
  }
  return removed;
}

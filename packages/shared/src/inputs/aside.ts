// Temporary files of this process, in a folder of its own that nobody else can look into. A living process touches its
// folder; what a killed one has left is removed by any that starts or sweeps two minutes later or more.
import { randomUUID } from 'node:crypto';
import { mkdtemp, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { errnoOf } from '../images/files.ts';
import { Meter } from '../images/meter.ts';
import { StorageError } from '../images/store.ts';
import type { AsideFile } from './held.ts';
import { fileTooLarge } from './problems.ts';

const PREFIX = 'darkroom-inputs-';
const TOUCH_EVERY_MS = 30_000;
/** Not touched for this long, and no process of its number is seen: nobody's. One in another container is not seen, but touches. */
const LEFT_BEHIND_MS = 120_000;
/** The same though a process of its number is seen: it is another's, or has been frozen all the time. */
const SURELY_LEFT_MS = 86_400_000;
/** Folders of this process, which may have the number of a dead one. */
const ours = new Set<string>();

export interface Aside {
  /**
   * Streams a body to a file. Past `maxBytes` the body is stopped and ServiceError `file_too_large` thrown; what the body
   * throws comes out as it is; StorageError when the disk is full. Then there is no file.
   */
  put(param: string, body: AsyncIterable<Uint8Array>, maxBytes: number, signal?: AbortSignal): Promise<AsideFile>;
  /** A file that is gone already is fine. Never throws. */
  remove(path: string): Promise<void>;
  /** Removes the folder. */
  close(): Promise<void>;
}

/** Throws StorageError when no folder can be made. */
export async function openAside(): Promise<Aside> {
  await removeLeftAside();
  let folder = await makeFolder();
  // It may be gone: the next file makes another.
  const touch = (): void => void utimes(folder, new Date(), new Date()).catch(() => undefined);
  const timer = setInterval(touch, TOUCH_EVERY_MS).unref();
  const remove = async (path: string): Promise<void> => await rm(path, { force: true }).catch(() => undefined); // goes with the folder
  return {
    put: async (param, body, maxBytes, signal) => {
      folder = await presentOr(folder);
      const path = join(folder, randomUUID());
      const meter = new Meter(limited(param, body, maxBytes), signal === undefined ? {} : { signal });
      try {
        return { path, ...(await meter.through(() => write(path, meter))) };
      } catch (error) {
        await remove(path);
        throw errnoOf(error) === undefined ? error : away(error);
      }
    },
    remove,
    close: async () => {
      clearInterval(timer);
      await rm(folder, { recursive: true, force: true });
      ours.delete(basename(folder));
    },
  };
}

/** Throws StorageError when no folder can be made. */
async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)).catch((error: unknown) => {
    throw away(error);
  });
  ours.add(basename(folder));
  return folder;
}

/** The folder, or a new one: systems clear their temporary folder of what was not used for days. */
async function presentOr(folder: string): Promise<string> {
  return await stat(folder).then(() => folder, makeFolder);
}

async function* limited(
  param: string,
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw fileTooLarge(param, maxBytes);
    yield chunk;
  }
}

async function write(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(body);
  } finally {
    await file.close();
  }
}

function away(error: unknown): StorageError {
  return new StorageError(`The folder for temporary files cannot be written (${errnoOf(error)}).`, error);
}

/** Only tidying up: whatever cannot be read or removed is left to the operator. Tells how many folders it has removed. */
export async function removeLeftAside(): Promise<number> {
  let removed = 0;
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(PREFIX))) {
    if ((await isLeft(name)) && (await isRemoved(name))) removed += 1;
  }
  return removed;
}

async function isLeft(name: string): Promise<boolean> {
  const ageMs = await stat(join(tmpdir(), name)).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0, // gone meanwhile, or not ours to see
  );
  if (ours.has(name) || ageMs < LEFT_BEHIND_MS) return false;
  return ageMs >= SURELY_LEFT_MS || !isRunning(Number.parseInt(name.slice(PREFIX.length), 10));
}

function isRemoved(name: string): Promise<boolean> {
  return rm(join(tmpdir(), name), { recursive: true }).then(
    () => true,
    () => false, // another process was quicker, or it is not ours to remove
  );
}

/** Another user's process counts as running; this one knows its own folders. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

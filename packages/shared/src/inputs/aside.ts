// Temporary files of this process, in a folder of its own that nobody else can look into. What a killed process left is
// removed by one that starts a day later or more.
import { randomUUID } from 'node:crypto';
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../images/files.ts';
import { Meter } from '../images/meter.ts';
import { StorageError } from '../images/store.ts';
import type { AsideFile } from './held.ts';
import { fileTooLarge } from './problems.ts';

const PREFIX = 'darkroom-inputs-';
/** A folder is touched whenever a file comes or goes; one this old whose process is not seen is nobody's. */
const LEFT_BEHIND_MS = 86_400_000;

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
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Throws StorageError when no folder can be made. */
async function makeFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)).catch((error: unknown) => {
    throw away(error);
  });
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
    const folder = join(tmpdir(), name);
    const age = await stat(folder).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    if (age < LEFT_BEHIND_MS || isRunning(Number.parseInt(name.slice(PREFIX.length), 10))) continue;
    if (
      await rm(folder, { recursive: true }).then(
        () => true,
        () => false,
      )
    )
      removed += 1;
  }
  return removed;
}

/** Another user's process counts as running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

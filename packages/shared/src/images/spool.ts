// The spool of a host: paid answers whose images could not be stored yet, one file each, safe against kill -9 and power loss.
// Any number of processes use one folder, also those of several installations: each file names the books it belongs to. Who
// puts them into storage, and when, is the worker's affair.
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, ignoreMissing, sweepFolder, syncFolder, writeDurably } from './files.ts';
import { booksOf, decodeAnswer, encodeAnswer, type SpooledAnswer, SpoolFormatError } from './spool-file.ts';

export interface SpoolEntry {
  readonly jobId: string;
  readonly call: number;
  readonly seq: number;
}

export interface SpoolUse {
  /** Of everything in the folder but what was left to others. */
  readonly usedBytes: number;
  /** Of those, what was put aside and stays until the operator removes it. */
  readonly asideBytes: number;
  /** What the disk has left for us. */
  readonly freeBytes: number;
}

/** `unnamed`: a file of a version before. */
export type NamedBooks =
  | { readonly kind: 'named'; readonly name: string }
  | { readonly kind: 'unnamed' | 'unreadable' | 'missing' };

export interface SpoolOptions {
  readonly directory: string;
  /** The name of the Redis data set of this process: it is written into each file. */
  readonly books: string;
}

/** All methods throw the file system's error when the folder is away or full. */
export interface Spool {
  /** Names the folder, and so the host: processes that share the one share the other. */
  readonly hostId: string;
  /** Durable when it resolves; an answer that is there is replaced. */
  write(answer: SpooledAnswer): Promise<void>;
  /** Oldest first, also those of other installations. */
  list(): Promise<SpoolEntry[]>;
  /** Which books a file names. Changes nothing. */
  readBooks(entry: SpoolEntry): Promise<NamedBooks>;
  /** These are other installations' and don't count as used, until this is called again. */
  leaveToOthers(entries: readonly SpoolEntry[]): void;
  has(entry: SpoolEntry): Promise<boolean>;
  /** null when it is not there. Throws SpoolFormatError after putting a torn or foreign file aside as `.bad`. */
  read(entry: SpoolEntry): Promise<SpooledAnswer | null>;
  /** Renames the file to `.bad`: it stays for the operator, and counts as used. */
  putAside(entry: SpoolEntry): Promise<void>;
  remove(entry: SpoolEntry): Promise<void>;
  use(): Promise<SpoolUse>;
}

/** No write takes an hour, so what is older was left by a process that died. */
const STALE_TEMPORARY_MS = 3_600_000;
const NEWLINE = 10;
const NAME = /^([A-Za-z0-9_-]+)\.(\d+)\.(\d+)\.spool$/;

/** Makes the folder if it is missing, for this user alone. Throws the file system's error. */
export async function openSpool({ directory, books }: SpoolOptions): Promise<Spool> {
  const root = resolve(directory);
  const temporary = join(root, '.tmp');
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  // A folder that is there may belong to somebody else, as a mounted volume does.
  await chmod(root, 0o700).catch(() => undefined);
  await syncFolder(root);
  await sweepFolder(temporary, Date.now() - STALE_TEMPORARY_MS);
  const nameOf = ({ jobId, call, seq }: SpoolEntry): string => `${jobId}.${call}.${seq}.spool`;
  const pathOf = (entry: SpoolEntry): string => join(root, nameOf(entry));
  let others: ReadonlySet<string> = new Set();
  const spool: Spool = {
    hostId: await readHostId(root),
    async write(answer) {
      const path = pathOf(answer);
      await writeDurably([{ path, body: inTurn(encodeAnswer(answer, books)) }], { root, temporary });
      await chmod(path, 0o600).catch(ignoreMissing); // drained already
    },
    async list() {
      const names = (await readdir(root)).filter((name) => NAME.test(name));
      const found = await Promise.all(names.map((name) => ageOf(root, name)));
      return found
        .filter((file) => file !== null)
        .sort((a, b) => a.writtenAt - b.writtenAt || (a.name < b.name ? -1 : 1))
        .map(({ name }) => entryOf(name));
    },
    async readBooks(entry) {
      try {
        const start = await readFirstLine(pathOf(entry)).catch(ignoreMissing);
        if (start === undefined) return { kind: 'missing' };
        const name = booksOf(start);
        return name === null ? { kind: 'unnamed' } : { kind: 'named', name };
      } catch (error) {
        if (error instanceof SpoolFormatError) return { kind: 'unreadable' };
        throw error;
      }
    },
    leaveToOthers(entries) {
      others = new Set(entries.map(nameOf));
    },
    async has(entry) {
      return (await stat(pathOf(entry)).catch(ignoreMissing)) !== undefined;
    },
    async read(entry) {
      const file = await readFile(pathOf(entry)).catch(ignoreMissing);
      if (file === undefined) return null;
      try {
        return checked(decodeAnswer(file), entry);
      } catch (error) {
        if (error instanceof SpoolFormatError) await spool.putAside(entry);
        throw error;
      }
    },
    async putAside(entry) {
      const path = pathOf(entry);
      await rename(path, `${path}.bad`).catch(ignoreMissing);
    },
    async remove(entry) {
      await unlink(pathOf(entry)).catch(ignoreMissing);
      await syncFolder(root);
    },
    async use() {
      const own = (await readdir(root)).filter((name) => name !== HOST_ID_FILE && !others.has(name));
      const names = [...own, ...(await readdir(temporary)).map((name) => join('.tmp', name))];
      const files = await Promise.all(names.map(async (name) => ({ name, bytes: await sizeOf(join(root, name)) })));
      const aside = files.filter(({ name }) => name.endsWith('.bad'));
      const disk = await statfs(root);
      return { usedBytes: sumOf(files), asideBytes: sumOf(aside), freeBytes: disk.bavail * disk.bsize };
    },
  };
  return spool;
}

/** A file that was renamed by hand must not be taken for another call's answer. */
function checked(answer: SpooledAnswer, { jobId, call, seq }: SpoolEntry): SpooledAnswer {
  if (answer.jobId === jobId && answer.call === call && answer.seq === seq) return answer;
  throw new SpoolFormatError('the file holds another answer than its name says');
}

function entryOf(name: string): SpoolEntry {
  const [, jobId = '', call, seq] = NAME.exec(name) ?? [];
  return { jobId, call: Number(call), seq: Number(seq) };
}

async function ageOf(root: string, name: string): Promise<{ name: string; writtenAt: number } | null> {
  const found = await stat(join(root, name)).catch(ignoreMissing);
  return found === undefined ? null : { name, writtenAt: found.mtimeMs };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(ignoreMissing);
  return found?.isFile() ? found.size : 0;
}

/** At least that, as far as there is a line. */
async function readFirstLine(path: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of createReadStream(path) as AsyncIterable<Uint8Array>) {
    parts.push(part);
    if (part.includes(NEWLINE)) break;
  }
  return Buffer.concat(parts);
}

function sumOf(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function* inTurn(parts: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

const HOST_ID_FILE = 'host-id';
const HOST_ID = /^[0-9a-f-]{36}$/;
const HOST_ID_TRIES = 20;
const HOST_ID_PAUSE_MS = 50;

/** Made by whoever comes first. A process that died between making and writing the file leaves it empty: then made anew. */
async function readHostId(root: string): Promise<string> {
  const path = join(root, HOST_ID_FILE);
  for (let tries = 1; ; tries += 1) {
    try {
      await writeFile(path, randomUUID(), { flag: tries > HOST_ID_TRIES ? 'w' : 'wx', mode: 0o600, flush: true });
      await syncFolder(root);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    const id = await readFile(path, 'utf8');
    if (HOST_ID.test(id)) return id;
    await sleep(HOST_ID_PAUSE_MS);
  }
}

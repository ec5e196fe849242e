/** Uploaded files (POST /v1/files), in memory, so that edits can name them by id. */
import { randomBytes } from 'node:crypto';

export interface StoredFile {
  id: string;
  object: 'file';
  bytes: number;
  created_at: number;
  filename: string;
  purpose: string;
  status: 'processed';
}

export class FileStore {
  readonly #files = new Map<string, { info: StoredFile; data: Buffer }>();

  add(filename: string, purpose: string, data: Buffer): StoredFile {
    const info: StoredFile = {
      id: `file-${randomBytes(11).toString('hex')}`,
      object: 'file',
      bytes: data.length,
      created_at: Math.floor(Date.now() / 1000),
      filename,
      purpose,
      status: 'processed',
    };
    this.#files.set(info.id, { info, data });
    return info;
  }

  get(id: string): { info: StoredFile; data: Buffer } | null {
    return this.#files.get(id) ?? null;
  }

  list(): StoredFile[] {
    return [...this.#files.values()].map((file) => file.info);
  }

  remove(id: string): boolean {
    return this.#files.delete(id);
  }
}

// For tests: the application on each kind of storage, and what lies there.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listOpenUploads } from '@darkroom/shared/images/test-s3.ts';
import { startS3 } from '@darkroom/simulator/s3/server.ts';
import { vi } from 'vitest';
import { startApi, type TestApi } from './start-api.ts';

export interface StoredApi extends TestApi {
  /** Keys of all files in storage. */
  storedKeys(): Promise<string[]>;
  /** What writes that are not finished have left so far. */
  unfinished(): Promise<string[]>;
}

async function startOnDisk(env: Record<string, string> = {}): Promise<StoredApi> {
  const api = await startApi(env);
  const folder = api.deps.config.STORAGE_URL.slice('file:'.length);
  return { ...api, storedKeys: () => keysOf(api), unfinished: () => readdir(join(folder, '.tmp')) };
}

async function startOnS3(env: Record<string, string> = {}): Promise<StoredApi> {
  const server = await startS3({});
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'simulator');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'simulator-secret');
  const storage = {
    STORAGE_URL: 's3://darkroom/api',
    AWS_ENDPOINT_URL_S3: server.url,
    S3_FORCE_PATH_STYLE: 'true',
  };
  const api = await startApi({ ...storage, ...env });
  return {
    ...api,
    storedKeys: () => keysOf(api),
    unfinished: () => listOpenUploads(server.url),
    async close() {
      await api.close();
      await server.close();
      vi.unstubAllEnvs();
    },
  };
}

function keysOf({ deps }: TestApi): Promise<string[]> {
  return Array.fromAsync(deps.store.list('files/'));
}

export const STORAGES = [
  ['disk', startOnDisk],
  ['S3', startOnS3],
] as const;

// The S3 simulator as a process of its own, the variables that lead Darkroom to it, and its control routes.
import { fileURLToPath } from 'node:url';
import { startChild } from '@darkroom/dev/child.ts';

const MAIN = fileURLToPath(new URL('../../packages/simulator/src/main.ts', import.meta.url));

export interface S3Process {
  /** For api and workers. */
  readonly env: Readonly<Record<string, string>>;
  keys(): Promise<string[]>;
  fault(fault: {
    readonly kind: string;
    readonly operation?: string;
    readonly keyContains?: string;
    readonly count?: number;
    readonly params?: Readonly<Record<string, unknown>>;
  }): Promise<void>;
  clearFaults(): Promise<void>;
  stop(): Promise<void>;
}

export async function startS3Process(): Promise<S3Process> {
  const child = startChild({ name: 's3', command: process.execPath, args: [MAIN, 's3', '--port', '0'], env: {} });
  const [, url = ''] = await child.line(/listening on (http:\/\/\S+)/);
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const reply = await fetch(url + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    if (!reply.ok) throw new Error(`${method} ${path} answered ${reply.status}: ${await reply.text()}`);
    return reply.json();
  };
  return {
    env: {
      STORAGE_URL: 's3://darkroom/e2e',
      AWS_ENDPOINT_URL_S3: url,
      AWS_ACCESS_KEY_ID: 'simulator',
      AWS_SECRET_ACCESS_KEY: 'simulator-secret',
      S3_FORCE_PATH_STYLE: 'true',
    },
    async keys() {
      const { objects } = (await call('GET', '/_sim/objects')) as { objects: { key: string }[] };
      return objects.map(({ key }) => key);
    },
    async fault(fault) {
      await call('POST', '/_sim/faults', fault);
    },
    async clearFaults() {
      await call('DELETE', '/_sim/faults');
    },
    stop: () => child.stop(),
  };
}

// For tests: the upstream simulator as a process of its own, because a worker blocks image loaders the simulator draws with.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ImageRow, RequestRow } from '@darkroom/simulator/openai/ledger.ts';

export interface SimulatorProcess {
  readonly url: string;
  control(method: string, path: string, body?: unknown): Promise<unknown>;
  ledger(): Promise<{ requests: RequestRow[]; images: ImageRow[] }>;
  /** Forgets faults and rows. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export async function startSimulator(): Promise<SimulatorProcess> {
  const main = fileURLToPath(import.meta.resolve('@darkroom/simulator/main.ts'));
  const options = ['--reality', 'everything', '--latency-scale', '0', '--rendering', 'fast'];
  const child = spawn(process.execPath, [main, 'upstream', ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const url = line.replace('listening on ', '');
  const control: SimulatorProcess['control'] = async (method, path, body) => {
    const reply = await fetch(`${url}/_sim${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    return reply.json();
  };
  return {
    url,
    control,
    ledger: async () => (await control('GET', '/ledger')) as { requests: RequestRow[]; images: ImageRow[] },
    async reset() {
      await control('DELETE', '/faults');
      await control('DELETE', '/ledger');
      await control('POST', '/settings', { reality: 'everything', latencyScale: 0, rendering: 'fast', limits: {} });
    },
    async close() {
      child.kill();
      await ended;
    },
  };
}

// Processes of a benchmark other than Darkroom's own: what it is compared with, and its upstream.
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '@darkroom/dev/child.ts';

export interface StartedProcess {
  readonly url: string;
  readonly child: Child;
}

/** Starts a file of `benchmarks/processes`; it says `listening on <url>` when it is ready. */
export function startProcess(name: string, args: readonly string[]): Promise<StartedProcess> {
  return start(name, fileURLToPath(new URL(`../processes/${name}.ts`, import.meta.url)), args);
}

/** The upstream simulator, at once and without drawing. */
export function startFastSimulator(): Promise<StartedProcess> {
  const file = fileURLToPath(import.meta.resolve('@darkroom/simulator/main.ts'));
  return start('simulator', file, ['upstream', '--port', '0', '--latency-scale', '0', '--rendering', 'fast']);
}

async function start(name: string, file: string, args: readonly string[]): Promise<StartedProcess> {
  const child = startChild({ name, command: process.execPath, args: [file, ...args], env: {} });
  const [, url = ''] = await child.line(/listening on (\S+)/);
  return { url, child };
}

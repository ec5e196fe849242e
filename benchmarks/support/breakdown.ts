// Where the time of a job goes: CPU of each process, and what Redis is asked. A job's own commands are counted while jobs
// run one at a time, with what waits for work meanwhile (a few a second).
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { Stack } from '@darkroom/dev/stack.ts';
import type { Row } from './row.ts';
import { cpuMs } from './usage.ts';

/** Pids by name; several workers count as one. */
export type Processes = readonly (readonly [name: string, pid: number])[];

export function processesOf(stack: Stack): Processes {
  const redis = stack.redis?.child;
  return [
    ['api', stack.api.pid],
    ...stack.workers.map((worker) => ['worker', worker.pid] as const),
    ...(redis === undefined ? [] : [['redis', redis.pid] as const]),
  ];
}

/** CPU so far of each process; what `toCpuRows` subtracts from. */
export function cpuOf(processes: Processes): ReadonlyMap<string, number> {
  const used = new Map<string, number>();
  for (const [name, pid] of processes) used.set(name, (used.get(name) ?? 0) + cpuMs(pid));
  return used;
}

export function toCpuRows(processes: Processes, before: ReadonlyMap<string, number>, jobs: number): Row[] {
  return [...cpuOf(processes)].map(([name, used]) => {
    const perJob = (used - (before.get(name) ?? 0)) / jobs;
    return { what: `  CPU of one job in: ${name}`, measured: `${perJob.toFixed(2)} ms`, ceiling: '', ratio: '' };
  });
}

const COUNTED_JOBS = 20;

export async function countCommands(redisUrl: string, run: () => Promise<void>): Promise<Row> {
  const { hostname, port } = new URL(redisUrl);
  // A bare socket: ioredis loses count when commands are already coming as it begins to monitor.
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let [asked, inside] = [0, 0];
  createInterface({ input: socket }).on('line', (line) => {
    if (/^\+[\d.]+ \[\d+ lua\]/.test(line)) inside += 1;
    else if (/^\+[\d.]+ \[/.test(line)) asked += 1;
  });
  socket.write('MONITOR\r\n');
  await run();
  [asked, inside] = [0, 0];
  for (let job = 0; job < COUNTED_JOBS; job += 1) await run();
  socket.destroy();
  const perJob = (count: number): string => (count / COUNTED_JOBS).toFixed(0);
  return {
    what: '  commands of one job to Redis, and of its steps within it',
    measured: `${perJob(asked)}, ${perJob(inside)}`,
    ceiling: '',
    ratio: '',
  };
}

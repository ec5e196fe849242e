// What a process has used, from /proc: Linux only.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

let ticksPerSecond: number | undefined;

/** CPU time so far, user and system, in ms. */
export function cpuMs(pid: number): number {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return ((Number(afterName[11]) + Number(afterName[12])) * 1_000) / ticksPerSecond;
}

export interface Memory {
  readonly nowBytes: number;
  readonly peakBytes: number;
}

/** Resident memory, now and at its highest. */
export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024;
  return { nowBytes: read('VmRSS'), peakBytes: read('VmHWM') };
}

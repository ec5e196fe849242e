// One API or worker process behind proxies of its own: started again after it was killed, under the same name.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '@darkroom/dev/child.ts';
import { findFreePort } from '@darkroom/dev/free-port.ts';
import { until } from '../../support/until.ts';
import type { Timeline } from './timeline.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const START_MS = 60_000;
const MOST_STARTS = 15;
const START_AGAIN_MS = 1_000;

export type Role = 'api' | 'worker';
export type Env = Readonly<Record<string, string>>;
type Condition = 'up' | 'frozen' | 'down';

export interface ServiceProcess {
  readonly name: string;
  readonly role: Role;
  /** Of its HTTP server; null while it is down. */
  readonly port: number | null;
  readonly condition: Condition;
  /** Starts it and waits until it is live. */
  start(): Promise<void>;
  /** SIGKILL; the exit is waited for. */
  kill(facts?: Readonly<Record<string, unknown>>): Promise<void>;
  /** SIGTERM; the exit is waited for. */
  stop(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface ProcessOptions {
  readonly name: string;
  readonly role: Role;
  readonly directory: string;
  readonly env: Env;
  readonly timeline: Timeline;
  readonly onLine: (name: string, line: string) => void;
}

export function buildProcess({ name, role, directory, env, timeline, onLine }: ProcessOptions): ServiceProcess {
  let child: Child | null = null;
  let port: number | null = null;
  let condition: Condition = 'down';
  const end = async (how: 'kill' | 'stop', facts: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    const ending = child;
    if (ending === null) return;
    [child, port, condition] = [null, null, 'down'];
    timeline.note(how, name, facts);
    await ending[how]();
    timeline.note('gone', name);
  };
  /** Whether it is live, or was ended by us; false when it ended by itself before. */
  const startOnce = async (): Promise<boolean> => {
    const chosen = await findFreePort();
    timeline.note('start', name);
    const started = startChild({
      name,
      command: process.execPath,
      args: [join(ROOT, 'apps', role, 'src/main.ts')],
      env: { ...env, PORT: String(chosen) },
      cwd: directory,
      onLine: (line) => onLine(name, line),
    });
    child = started;
    const ended = started.exited.then(({ code, signal }) => {
      if (child !== started) return true;
      const what = condition === 'down' ? 'would not start' : 'ended by itself';
      [child, port, condition] = [null, null, 'down'];
      timeline.note(what, name, { code, signal, said: started.lines.slice(-3) });
      return false;
    });
    const live = until(`${name} is live`, () => child !== started || isLive(chosen), START_MS).then(() => true);
    if (!(await Promise.race([live, ended]))) return false;
    if (child !== started) return true;
    [port, condition] = [chosen, 'up'];
    timeline.note('live', name);
    return true;
  };
  /** Again and again, as a supervisor would: storage may be away just then. */
  const start = async (): Promise<void> => {
    for (let tries = 1; !(await startOnce()); tries += 1) {
      if (tries === MOST_STARTS) throw new Error(`${name} would not start`);
      await pause(START_AGAIN_MS);
    }
  };
  return {
    name,
    role,
    get port() {
      return port;
    },
    get condition() {
      return condition;
    },
    start,
    kill: (facts) => end('kill', facts),
    stop: () => end('stop'),
    freeze() {
      timeline.note('freeze', name);
      child?.signal('SIGSTOP');
      condition = 'frozen';
    },
    thaw() {
      if (condition !== 'frozen') return;
      timeline.note('thaw', name);
      child?.signal('SIGCONT');
      condition = 'up';
    },
  };
}

async function isLive(port: number): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${port}/livez`)).ok;
}

// One API or worker process behind proxies of its own: started again after it was killed, under the same name.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '@darkroom/dev/child.ts';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import type { Timeline } from './timeline.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** What the log says when the process has begun its work; asking its port for it again and again costs more than the start. */
const LIVE = /"msg":"(?:listening|worker ready)"/;
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
  /** Starts it, unless it is up or starting, and waits until it is live. */
  start(): Promise<void>;
  /** SIGKILL; the exit is waited for. Whether it was that which ended it. */
  kill(facts?: Readonly<Record<string, unknown>>): Promise<boolean>;
  /** SIGTERM; the exit is waited for. */
  stop(): Promise<void>;
  freeze(facts?: Readonly<Record<string, unknown>>): void;
  thaw(facts?: Readonly<Record<string, unknown>>): void;
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
  let starting: Promise<void> | null = null;
  const end = async (how: 'kill' | 'stop', facts: Readonly<Record<string, unknown>> = {}): Promise<boolean> => {
    const ending = child;
    if (ending === null) return false;
    [child, port, condition] = [null, null, 'down'];
    timeline.note(how, name, facts);
    await ending[how]();
    const { signal } = await ending.exited;
    timeline.note('gone', name, { signal });
    return signal === 'SIGKILL';
  };
  /** Whether it is live, or was ended by us; false when it ended by itself before. */
  const startOnce = async (): Promise<boolean> => {
    const chosen = await findQuietPort();
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
    const live = started.line(LIVE).then(
      () => true,
      () => ended,
    );
    if (!(await live)) return false;
    if (child !== started) return true;
    [port, condition] = [chosen, 'up'];
    timeline.note('live', name);
    return true;
  };
  /** Again and again, as a supervisor would: storage may be away just then. */
  const startTillLive = async (): Promise<void> => {
    if (child !== null) return;
    for (let tries = 1; !(await startOnce()); tries += 1) {
      if (tries === MOST_STARTS) throw new Error(`${name} would not start`);
      await pause(START_AGAIN_MS);
    }
  };
  const start = (): Promise<void> => {
    starting ??= startTillLive().finally(() => {
      starting = null;
    });
    return starting;
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
    async stop() {
      await end('stop');
    },
    freeze(facts = {}) {
      timeline.note('freeze', name, facts);
      child?.signal('SIGSTOP');
      condition = 'frozen';
    },
    thaw(facts = {}) {
      if (condition !== 'frozen') return;
      timeline.note('thaw', name, facts);
      child?.signal('SIGCONT');
      condition = 'up';
    },
  };
}

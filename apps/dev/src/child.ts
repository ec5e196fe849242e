// A child process of the stack: started with its own environment, its log lines read, stopped by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Lines of stdout and stderr so far. */
  readonly lines: readonly string[];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** The first line, past or to come, that matches; rejects when the process ends without one. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and the exit waited for. */
  stop(): Promise<void>;
  /** SIGKILL, and the exit waited for: a crash. */
  kill(): Promise<void>;
}

export interface ChildOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly onLine?: (line: string) => void;
}

/** Only these of the parent's variables reach a child: the rest of its environment is what the caller gives. */
const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_COMPILE_CACHE'];

/** Those that have not ended. They are in process groups of their own, so nobody else would end them with this process. */
const alive = new Set<ChildProcess>();

function killAllAlive(): void {
  for (const child of alive) child.kill('SIGKILL');
}

/** The child ends with this process at the latest. */
export function startChild(options: ChildOptions): Child {
  const base = Object.fromEntries(
    PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  const child = spawn(options.command, options.args, {
    env: { ...base, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own process group: a Ctrl-C at the terminal reaches the parent alone, which stops its children in order.
    detached: true,
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const read = (stream: NodeJS.ReadableStream): void => {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      options.onLine?.(line);
      for (const listener of listeners) listener();
    });
  };
  read(child.stdout);
  read(child.stderr);
  const exited = untilExit(child);
  keepTrack(child);
  return {
    name: options.name,
    pid: child.pid ?? -1,
    lines,
    exited,
    line: (pattern) => untilLine(pattern, lines, listeners, exited, options.name),
    signal: (signal) => void child.kill(signal),
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function keepTrack(child: ChildProcess): void {
  if (alive.size === 0) process.once('exit', killAllAlive);
  alive.add(child);
  child.once('close', () => {
    alive.delete(child);
    if (alive.size === 0) process.off('exit', killAllAlive);
  });
}

function untilExit(child: ChildProcess): Child['exited'] {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ code: 127, signal: null }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

function untilLine(
  pattern: RegExp,
  lines: readonly string[],
  listeners: Set<() => void>,
  exited: Child['exited'],
  name: string,
): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let seen = 0;
    const look = (): void => {
      for (; seen < lines.length; seen += 1) {
        const match = pattern.exec(lines[seen] ?? '');
        if (match) {
          listeners.delete(look);
          resolve(match);
          return;
        }
      }
    };
    listeners.add(look);
    look();
    const giveUp = ({ code, signal }: Awaited<Child['exited']>): void => {
      listeners.delete(look);
      reject(new Error(`${name} ended (${code ?? signal}) before it said ${pattern}:\n${lines.slice(-20).join('\n')}`));
    };
    void exited.then(giveUp);
  });
}

// A private redis-server for one stack: on loopback, its data in one folder, append-only file on.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { type Child, startChild } from './child.ts';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly child: Child;
}

export interface RedisServerOptions {
  readonly directory: string;
  /** 0 = any free one. */
  readonly port?: number;
  /** `redis-server`, `valkey-server` or a path. */
  readonly binary?: string;
}

/** Resolves when it accepts connections and has loaded its data. */
export async function startRedisServer({
  directory,
  port = 0,
  binary = 'redis-server',
}: RedisServerOptions): Promise<RedisServer> {
  mkdirSync(directory, { recursive: true });
  const used = port === 0 ? await findQuietPort() : port;
  const child = binary === 'docker' ? startInDocker(directory, used) : startLocally(binary, directory, used);
  await child.line(/Ready to accept connections/);
  writeFileSync(portFile(directory), String(used));
  return { url: `redis://127.0.0.1:${used}`, port: used, child };
}

const DURABLE = ['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'];

function startLocally(binary: string, directory: string, port: number): Child {
  return startChild({
    name: 'redis',
    command: binary,
    args: ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, ...DURABLE],
    env: {},
  });
}

function startInDocker(directory: string, port: number): Child {
  const args = [
    'run',
    '--rm',
    '--init',
    '-p',
    `127.0.0.1:${port}:6379`,
    '-v',
    `${directory}:/data`,
    'redis:8',
    'redis-server',
    ...DURABLE,
  ];
  return startChild({ name: 'redis', command: 'docker', args, env: {} });
}

function portFile(directory: string): string {
  return join(directory, 'port');
}

/** A redis-server left over from a start that was killed would share its files with the next one: it is shut down first. */
export async function stopLeftoverRedis(directory: string): Promise<void> {
  const file = portFile(directory);
  if (!existsSync(file)) return;
  const port = Number(readFileSync(file, 'utf8'));
  if ((await ask(port, 'CONFIG GET dir')).includes(directory)) await ask(port, 'SHUTDOWN NOSAVE');
  rmSync(file);
}

/** Sends one inline command; '' when nobody listens. Resolves when the reply has come or the server has gone. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve) => {
    let reply = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(`${command}\r\n`));
    socket.on('data', (chunk) => {
      reply += chunk.toString();
    });
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(reply));
  });
}

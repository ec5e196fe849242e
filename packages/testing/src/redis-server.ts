// A redis-server in memory for tests, also for those that stop or freeze it: a local binary, else a container when
// there is a Docker engine.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';

export interface TestRedisServer {
  readonly url: string;
  readonly port: number;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Kills the server. */
  stop(): Promise<void>;
}

const IN_MEMORY = ['--save', '', '--appendonly', 'no'];

/** `port` 0 = any free one. */
export async function startRedisServer(port = 0): Promise<TestRedisServer> {
  const binary = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0);
  return binary === undefined ? startContainer() : startLocally(binary, port === 0 ? await findQuietPort() : port);
}

async function startLocally(binary: string, port: number): Promise<TestRedisServer> {
  const child = spawn(binary, ['--bind', '127.0.0.1', '--port', String(port), ...IN_MEMORY], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  await untilReady(child.stdout);
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    signal: (name) => void child.kill(name),
    async stop() {
      process.off('exit', killWithUs);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Without a Docker engine testcontainers says so at once, which is the clear error wanted here. */
async function startContainer(): Promise<TestRedisServer> {
  const { GenericContainer } = await import('testcontainers');
  const container = await new GenericContainer('redis:8')
    .withCommand(['redis-server', ...IN_MEMORY])
    .withExposedPorts(6379)
    .start();
  const port = container.getMappedPort(6379);
  return {
    url: `redis://${container.getHost()}:${port}`,
    port,
    signal: (name) => void spawnSync('docker', ['kill', '--signal', name, container.getId()]),
    async stop() {
      await container.stop();
    },
  };
}

async function untilReady(output: NodeJS.ReadableStream): Promise<void> {
  for await (const line of createInterface(output)) {
    if (line.includes('Ready to accept connections')) {
      output.resume();
      return;
    }
  }
  throw new Error('redis-server ended before it was ready');
}

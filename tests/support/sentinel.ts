// Redis as it runs where a machine may die: a master with replicas, and sentinels that put a replica in its place. All on
// loopback, the data of each in a folder of its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from '@darkroom/dev/child.ts';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { Redis } from 'ioredis';
import { until } from './until.ts';

const MASTER_NAME = 'darkroom-master';
const SENTINELS = 3;

export interface ReplicatedRedis {
  /** For REDIS_URL. */
  readonly url: string;
  /** SIGKILL to the master, as when its machine dies. */
  killMaster(): Promise<void>;
  /**
   * SIGSTOP to the master, as when the network to its machine breaks; the returned function ends it and makes it a replica
   * of the new one, as sentinels do after some ten seconds.
   */
  freezeMaster(): Promise<() => Promise<void>>;
  /** Port of the present master, as the sentinels say. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/** null when this redis-server has no sentinel mode. */
export async function startReplicatedRedis(directory: string, replicas: number): Promise<ReplicatedRedis | null> {
  const children: Child[] = [];
  const ports = new Map<Child, number>();
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.kill()));
  };
  const startServer = async (masterPort: number | null): Promise<number> => {
    const port = await findQuietPort();
    const folder = join(directory, `redis-${port}`);
    mkdirSync(folder, { recursive: true });
    const of = masterPort === null ? [] : ['--replicaof', '127.0.0.1', String(masterPort)];
    const child = startChild({
      name: `redis-${port}`,
      command: 'redis-server',
      args: [...server(port, folder), ...of],
      env: {},
    });
    children.push(child);
    ports.set(child, port);
    await child.line(masterPort === null ? /Ready to accept connections/ : /MASTER <-> REPLICA sync: Finished/);
    return port;
  };
  try {
    const first = await startServer(null);
    for (let count = 0; count < replicas; count += 1) await startServer(first);
    const sentinelPorts: number[] = [];
    for (let count = 0; count < SENTINELS; count += 1) {
      const port = await findQuietPort();
      const child = startSentinel(directory, port, first);
      children.push(child);
      const isSentinel = await Promise.race([child.line(/\+monitor/).then(() => true), child.exited.then(() => false)]);
      if (!isSentinel) {
        await stop();
        return null;
      }
      sentinelPorts.push(port);
    }
    await untilSentinelsAgree(sentinelPorts, replicas);
    const masterPort = (): Promise<number> => askMaster(sentinelPorts[0] ?? 0);
    const master = async (): Promise<Child> => {
      const port = await masterPort();
      const found = [...ports].find(([, one]) => one === port);
      if (found === undefined) throw new Error(`no server of port ${port}`);
      return found[0];
    };
    return {
      url: `redis-sentinel://${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER_NAME}`,
      masterPort,
      async killMaster() {
        await (await master()).kill();
      },
      async freezeMaster() {
        const frozen = await master();
        frozen.signal('SIGSTOP');
        return async () => {
          frozen.signal('SIGCONT');
          const redis = new Redis(ports.get(frozen) ?? 0, '127.0.0.1');
          await redis.replicaof('127.0.0.1', await masterPort());
          redis.disconnect();
        };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function server(port: number, folder: string): string[] {
  const durable = ['--appendonly', 'yes', '--save', '', '--repl-diskless-sync-delay', '0'];
  return ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...durable];
}

/** A sentinel writes what it learns into its configuration file. */
function startSentinel(directory: string, port: number, masterPort: number): Child {
  const file = join(directory, `sentinel-${port}.conf`);
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
    `sentinel failover-timeout ${MASTER_NAME} 4000`,
    `sentinel parallel-syncs ${MASTER_NAME} 5`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return startChild({ name: `sentinel-${port}`, command: 'redis-server', args: [file, '--sentinel'], env: {} });
}

/** Each knows the others and all replicas: only then can they agree on a failover. */
async function untilSentinelsAgree(ports: readonly number[], replicas: number): Promise<void> {
  for (const port of ports) {
    const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 0 });
    try {
      await until(`sentinel ${port} knows ${replicas} replicas`, async () => {
        const [known, others] = await Promise.all([
          redis.call('SENTINEL', 'REPLICAS', MASTER_NAME),
          redis.call('SENTINEL', 'SENTINELS', MASTER_NAME),
        ]);
        return (known as unknown[]).length === replicas && (others as unknown[]).length === ports.length - 1;
      });
    } finally {
      redis.disconnect();
    }
  }
}

async function askMaster(sentinelPort: number): Promise<number> {
  const redis = new Redis(sentinelPort, '127.0.0.1', { maxRetriesPerRequest: 0 });
  try {
    const [, port] = (await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as [string, string];
    return Number(port);
  } finally {
    redis.disconnect();
  }
}

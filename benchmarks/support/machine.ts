// Where and what was measured.
import { execFileSync } from 'node:child_process';
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os';

/** One line: processor, memory, how busy it was before, commit, versions. To be asked before anything is measured. */
export function describeRun(): string {
  const [cpu] = cpus();
  const redis = process.env['DARKROOM_REDIS_BINARY'] ?? 'redis-server';
  return [
    `${cpu?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}, load ${loadavg()[0]?.toFixed(1)}`,
    `commit ${commit()}`,
    `node ${process.versions.node}`,
    `redis ${/v=(\S+)/.exec(output(redis, ['--version']))?.[1] ?? 'unknown'}`,
    new Date().toISOString().slice(0, 10),
  ].join(' · ');
}

function commit(): string {
  const changes = output('git', ['status', '--porcelain']);
  return `${output('git', ['rev-parse', '--short', 'HEAD'])}${changes === '' ? '' : ' with changes'}`;
}

function output(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' }).trim();
}

// The operator's own `npm run audit` over the system a run has left: what it finds is a violation too.
import { fileURLToPath } from 'node:url';
import { startChild } from '@darkroom/dev/child.ts';
import type { World } from '../world/world.ts';
import type { SystemAudit } from './books.ts';

const MAIN = fileURLToPath(new URL('../../../apps/audit/src/main.ts', import.meta.url));

interface Report {
  readonly kinds: readonly {
    readonly kind: string;
    readonly isProblem: boolean;
    readonly count: number;
    readonly findings: readonly unknown[];
  }[];
}

/** Throws when the audit could not look. */
export async function auditTheSystem({ redis, storage }: World): Promise<SystemAudit> {
  const child = startChild({
    name: 'audit',
    command: process.execPath,
    args: [MAIN, '--deep', '--json'],
    env: {
      ...storage.env,
      REDIS_URL: `redis://127.0.0.1:${redis.options.port}`,
      CALL_TIMEOUT_MS: '8000',
      LOCK_DURATION_MS: '5000',
    },
  });
  const { code } = await child.exited;
  if (code !== 0 && !child.lines[0]?.startsWith('{')) throw new Error(`npm run audit: ${child.lines.join('\n')}`);
  const { kinds } = JSON.parse(child.lines.join('\n')) as Report;
  return {
    problems: kinds
      .filter(({ isProblem }) => isProblem)
      .map(({ kind, count, findings }) => ({ kind, count, first: JSON.stringify(findings[0]) })),
  };
}

// One configuration for all packages; `--mode` picks the kind of test: unit (no I/O), integration (real Redis, S3,
// HTTP in one package), e2e (the whole service as processes).
import { defineConfig } from 'vitest/config';

const KINDS: Readonly<Record<string, { include: string; file: string; timeoutMs: number; workers: number }>> = {
  unit: { include: '**/*.test.ts', file: 'test', timeoutMs: 10_000, workers: 2 },
  integration: { include: '**/*.integration.test.ts', file: 'test-integration', timeoutMs: 60_000, workers: 2 },
  e2e: { include: '**/*.e2e.test.ts', file: 'test-e2e', timeoutMs: 120_000, workers: 3 },
};

export default defineConfig(({ mode }) => {
  const kind = KINDS[mode] ?? KINDS['unit'];
  if (kind === undefined) throw new Error(`unknown mode ${mode}`);
  return {
    test: {
      include: [kind.include],
      exclude: ['**/node_modules/**', ...(kind.file === 'test' ? ['**/*.{integration,e2e}.test.ts'] : [])],
      testTimeout: kind.timeoutMs,
      hookTimeout: kind.timeoutMs,
      maxWorkers: kind.workers,
      pool: 'forks',
      reporters: ['default', 'json'],
      outputFile: { json: `.results/${kind.file}.json` },
    },
  };
});

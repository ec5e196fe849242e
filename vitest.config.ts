// One configuration for all packages; `--mode` picks the kind of test: unit (no I/O), integration (real Redis, S3,
// HTTP in one package), e2e (the whole service as processes).
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const KINDS: Readonly<Record<string, { include: string; file: string; timeoutMs: number; workers: number }>> = {
  unit: { include: '**/*.test.ts', file: 'test', timeoutMs: 60_000, workers: 2 },
  integration: { include: '**/*.integration.test.ts', file: 'test-integration', timeoutMs: 120_000, workers: 2 },
  e2e: { include: '**/*.e2e.test.ts', file: 'test-e2e', timeoutMs: 120_000, workers: 3 },
};

/** For `expect.poll`, ms: it ends when the fact holds, and vitest's second is soon over on a busy machine. */
const POLL_MS = 10_000;

/** These take longest by far, or wait for long: at the end they alone would have to be waited for. */
const LONGEST = /(?:chaos-(?:first|second)|probe|links|redis-away|lost-attempt)\.e2e\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLongest = ({ moduleId }: TestSpecification): boolean => LONGEST.test(moduleId);
    return [...sorted.filter(isLongest), ...sorted.filter((file) => !isLongest(file))];
  }
}

export default defineConfig(({ mode }) => {
  const kind = KINDS[mode] ?? KINDS['unit'];
  if (kind === undefined) throw new Error(`unknown mode ${mode}`);
  return {
    test: {
      include: [kind.include],
      exclude: ['**/node_modules/**', ...(kind.file === 'test' ? ['**/*.{integration,e2e}.test.ts'] : [])],
      testTimeout: kind.timeoutMs,
      hookTimeout: kind.timeoutMs,
      expect: { poll: { timeout: POLL_MS } },
      maxWorkers: kind.workers,
      pool: 'forks',
      // Files share a process: a new one for each, with all its imports, takes longer than what most files do.
      isolate: false,
      sequence: { sequencer: LongestFirst },
      reporters: ['default', 'json'],
      outputFile: { json: `.results/${kind.file}.json` },
    },
  };
});

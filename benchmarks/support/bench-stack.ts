// Darkroom as a benchmark runs it: real processes, a private Redis with its append-only file on, images in a folder that
// is removed afterwards. Only warnings are logged: reading the lines would cost the measuring process more than writing
// them costs the service.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, type StackOptions, startStack } from '@darkroom/dev/stack.ts';

/** Runs `measure` on a stack, stops it and removes its folder whatever happens. */
export async function withStack<T>(
  options: Pick<StackOptions, 'env' | 'workers'> & { readonly upstreamUrl: string },
  measure: (stack: Stack) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'darkroom-bench-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  const redisBinary = process.env['DARKROOM_REDIS_BINARY'];
  try {
    const stack = await startStack({
      directory,
      workers: options.workers ?? 1,
      upstream: { baseUrl: `${options.upstreamUrl}/v1`, apiKey: 'sk-bench' },
      env: { LOG_LEVEL: 'warn', ...options.env },
      ...(redisBinary === undefined ? {} : { redisBinary }),
    });
    try {
      return await measure(stack);
    } finally {
      await stack.stop();
    }
  } finally {
    process.off('exit', remove);
    remove();
  }
}

// What a run's workers buy with: one key, or two of a file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env } from './service-process.ts';

export interface UpstreamKeys {
  /** As Darkroom calls them. */
  readonly names: readonly string[];
  /** The keys themselves; the simulator tells them apart by their last 4 characters. */
  readonly keys: readonly string[];
  readonly env: Env;
}

export function openUpstreamKeys(hasTwo: boolean, directory: string): UpstreamKeys {
  if (!hasTwo) return { names: ['default'], keys: ['sk-chaos-only'], env: { OPENAI_API_KEY: 'sk-chaos-only' } };
  const [names, keys] = [
    ['first', 'second'],
    ['sk-chaos-k001', 'sk-chaos-k002'],
  ];
  const path = join(directory, 'upstream-keys.json');
  writeFileSync(path, JSON.stringify(names.map((name, at) => ({ name, key: keys[at] }))), { mode: 0o600 });
  return { names, keys, env: { OPENAI_KEYS_FILE: path } };
}

// The upstream keys of this worker: those of OPENAI_KEYS_FILE, or the one of OPENAI_API_KEY.
import type { ToldLimits } from '@darkroom/shared/base/variables.ts';
import type { WorkerConfig } from './config.ts';

export interface UpstreamKey {
  /** Stands in Redis, logs and metrics; the key itself never does. */
  readonly name: string;
  readonly key: string;
  readonly baseUrl: string;
  readonly limits: ToldLimits;
}

/** Name of the key in OPENAI_API_KEY. */
const ONLY_KEY = 'default';

type KeyVariables = Pick<WorkerConfig, 'OPENAI_KEYS_FILE' | 'OPENAI_API_KEY' | 'OPENAI_BASE_URL' | 'LIMITS'>;

/** In the file's order; at least one, or `config` would not have been accepted. */
export function upstreamKeysOf(config: KeyVariables): readonly UpstreamKey[] {
  const listed = config.OPENAI_KEYS_FILE ?? [
    { name: ONLY_KEY, key: config.OPENAI_API_KEY ?? '', baseUrl: null, limits: null },
  ];
  return listed.map(({ name, key, baseUrl, limits }) => ({
    name,
    key,
    baseUrl: baseUrl ?? config.OPENAI_BASE_URL,
    limits: limits ?? config.LIMITS,
  }));
}

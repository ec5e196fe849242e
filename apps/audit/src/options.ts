// What may stand behind `npm run audit --`. Pure.
import { parseArgs } from 'node:util';
import { parseDurationMs } from '@darkroom/shared/base/units.ts';

export const HELP = `Compares attempts, records and storage of a live Darkroom and prints what doesn't match. Changes nothing.

  npm run audit -- [options]            node apps/audit/src/main.ts [options]

  --deep                reads every image and compares its SHA-256
  --call-timeout 600s   longest upstream attempt; default: CALL_TIMEOUT_MS
  --all                 prints every finding, not the first ten of each kind
  --json                prints the report as JSON
  --help                prints this

It looks where REDIS_URL, REDIS_PREFIX, STORAGE_URL and the S3 variables lead, as API and worker do. Exits with 0 when
there is no problem, with 1 when there is one or it could not look, with 2 when it was called wrongly.
`;

export interface Options {
  readonly deep: boolean;
  /** ms; null when not given. */
  readonly callTimeoutMs: number | null;
  readonly all: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** Called wrongly; the message says how. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}

/** Throws Misuse. */
export function parseOptions(args: readonly string[]): Options {
  const { deep, all, json, help, 'call-timeout': callTimeout } = parse(args);
  const callTimeoutMs = callTimeout === undefined ? null : parseDurationMs(callTimeout);
  if (callTimeout !== undefined && (callTimeoutMs === null || !Number.isFinite(callTimeoutMs)))
    throw new Misuse(`--call-timeout may be a duration such as 90s or 10m; it was ${JSON.stringify(callTimeout)}`);
  return { deep, all, json, help, callTimeoutMs };
}

function parse(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const options = { deep: flag, all: flag, json: flag, help: flag, 'call-timeout': { type: 'string' } } as const;
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error));
  }
}

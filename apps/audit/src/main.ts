// `npm run audit`: opens what the variables name, looks at it, prints what doesn't match.
import { ConfigError } from '@darkroom/shared/base/config.ts';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { openRedis } from '@darkroom/shared/base/redis.ts';
import { assertMark } from '@darkroom/shared/images/mark.ts';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import { type AuditOptions, auditSystem } from './audit.ts';
import { type AuditConfig, readConfig } from './config.ts';
import { HELP, Misuse, type Options, parseOptions } from './options.ts';
import { toText } from './print-report.ts';
import type { Report } from './report.ts';

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const report = await audit(readConfig(), options);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  return report.problems === 0 ? 0 : 1;
}

async function audit(config: AuditConfig, options: Options): Promise<Report> {
  const redis = await openRedis(config.REDIS_URL, 'fast', (error) => process.stderr.write(`Redis: ${error.message}\n`));
  try {
    const store = await openStore({
      url: config.STORAGE_URL,
      forcePathStyle: config.S3_FORCE_PATH_STYLE,
      endpoint: config.AWS_ENDPOINT_URL_S3 ?? undefined,
      region: config.AWS_REGION ?? undefined,
      asIs: true,
    });
    try {
      const keys = keysOf(config.REDIS_PREFIX);
      // In another one everything would be missing.
      await assertMark({ redis, keys, store });
      return await auditSystem({ redis, keys, store, options: optionsOf(config, options) });
    } finally {
      await store.close();
    }
  } finally {
    redis.disconnect();
  }
}

function optionsOf(config: AuditConfig, { deep, all, callTimeoutMs }: Options): Partial<AuditOptions> {
  return {
    deep,
    callTimeoutMs: callTimeoutMs ?? config.CALL_TIMEOUT_MS,
    lockMs: config.LOCK_DURATION_MS,
    retentionMs: config.JOB_RETENTION,
    ...(all ? { examples: Number.POSITIVE_INFINITY } : {}),
  };
}

try {
  process.exitCode = await main();
} catch (error) {
  const isCalledWrongly = error instanceof Misuse || error instanceof ConfigError;
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Misuse) process.stderr.write(`\n${HELP}`);
  process.exitCode = isCalledWrongly ? 2 : 1;
}

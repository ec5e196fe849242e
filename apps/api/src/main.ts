// The API process: config, connections, HTTP. SIGTERM or SIGINT: no new connections, waiting callers get their job as it
// is, exit 0. A second signal: exit 1 at once.
import '@darkroom/shared/base/young-generation.ts';
import { ConfigError } from '@darkroom/shared/base/config.ts';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { type ApiConfig, readConfig } from './config.ts';

/** Replies under way have this long once the process stops; a client that reads nothing must not hold it up. */
const LAST_REPLIES_MS = 5_000;

async function main(config: ApiConfig): Promise<void> {
  const logger = createLogger({ name: 'api', level: config.LOG_LEVEL, logPrompts: config.LOG_PROMPTS });
  // Most of the program, read only now: reading it already makes the young generation grow.
  const [{ openDeps }, { buildApp }] = await Promise.all([import('./deps.ts'), import('./app.ts')]);
  const deps = await openDeps(config, logger);
  const app = await buildApp(deps);
  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) process.exit(1);
    isStopping = true;
    logger.info({ signal }, 'stopping');
    deps.stopping.abort();
    const cut = setTimeout(() => app.server.closeAllConnections(), LAST_REPLIES_MS);
    await app.close();
    clearTimeout(cut);
    await deps.close();
    logger.info('stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => void stop(signal));
  await app.listen({ host: config.HOST, port: config.PORT });
  logger.info({ host: config.HOST, port: config.PORT, publicUrl: config.PUBLIC_URL, auth: config.AUTH }, 'listening');
}

/** What stops the process at start is told plainly, without a stack. */
function fail(error: unknown): never {
  process.stderr.write(`${error instanceof ConfigError || error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

try {
  await main(readConfig(process.env));
} catch (error) {
  fail(error);
}

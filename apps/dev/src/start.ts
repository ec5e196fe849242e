// `npm start`: the whole service on embedded defaults, until Ctrl-C. Real variables win over the defaults.
import { join } from 'node:path';
import { isWorthShowing, type Service, startService } from './service.ts';

async function main(): Promise<void> {
  const service = await startService((name, line) => {
    if (isWorthShowing(line)) console.log(`${name.padEnd(9)} ${line}`);
  });
  console.log(banner(service));
  await untilStopped(service);
}

function banner({ stack, url, startMs }: Service): string {
  const upstream =
    stack.simulatorUrl === null
      ? 'a real API (OPENAI_API_KEY, OPENAI_KEYS_FILE or OPENAI_BASE_URL is set: images cost money)'
      : 'a simulator on this machine: OPENAI_API_KEY is not set, so the pictures are drawn here and cost nothing';
  return `
  Darkroom is ready (${(startMs / 1_000).toFixed(1)} s)      ${url}        reference: ${url}/docs

  upstream   ${upstream}
  images     ${join(stack.directory, 'images')}
  jobs       ${stack.redis === null ? 'the Redis of REDIS_URL' : join(stack.directory, 'redis')}

  Try it:

  curl -s ${url}/v1/jobs -H 'content-type: application/json' -H 'prefer: wait=60' -d '{"operation":"generation","input":{"model":"dall-e-3","prompt":"a white siamese cat","n":2}}'

  Ctrl-C stops everything.
`;
}

/** Resolves after Ctrl-C has stopped everything; exits with 1 when a part of the service ends by itself. */
async function untilStopped(service: Service): Promise<void> {
  const asked = new Promise<'asked'>((resolve) => {
    process.once('SIGINT', () => resolve('asked')).once('SIGTERM', () => resolve('asked'));
  });
  const reason = await Promise.race([asked, service.broken]);
  if (reason !== 'asked') console.error(`${reason} ended by itself; stopping the rest.`);
  else console.log('\nStopping: calls under way are finished first …');
  process.once('SIGINT', () => process.exit(1));
  await service.stop();
  if (reason === 'asked') console.log('Stopped.');
  process.exit(reason === 'asked' ? 0 : 1);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

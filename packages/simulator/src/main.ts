/** Command line: runs one of the simulator's servers until it is told to stop. */
import { parseArgs } from 'node:util';
import { startUpstream, type UpstreamOptions } from './openai/server.ts';
import { type S3Options, startS3 } from './s3/server.ts';
import { startReceiver } from './webhooks/receiver.ts';

const HELP = `Usage: node src/main.ts [upstream|s3|receiver] [options]

  upstream   the OpenAI Images API (default)
  s3         an S3 server
  receiver   a webhook receiver

Options (each also as an environment variable, e.g. SIM_PORT)
  --host HOST              address to listen on              127.0.0.1
  --port PORT              0 = any free port                 0
upstream
  --reality WHAT           today | everything                today
  --today YYYY-MM-DD       the day that retires models       the current day
  --latency-scale X        1 = true to life, 0 = at once     0.05
  --rendering MODE         full | fast                       full
  --link-ttl-ms MS         life of result links              3600000
  --limits JSON            {"model or family": {"images_per_minute": 5}}
  --api-keys A,B           accepted keys                     any
  --public-url URL         base of result links              own address
s3
  --access-key-id ID       simulator
  --secret-access-key KEY  simulator-secret
  --region NAME            us-east-1
  --buckets A,B            darkroom
  --directory PATH         keep objects on disk
`;

const OPTION_NAMES = [
  'host',
  'port',
  'reality',
  'today',
  'latency-scale',
  'rendering',
  'link-ttl-ms',
  'limits',
  'api-keys',
  'public-url',
  'access-key-id',
  'secret-access-key',
  'region',
  'buckets',
  'directory',
] as const;
type OptionName = (typeof OPTION_NAMES)[number];
type Given = Partial<Record<OptionName, string>>;

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

async function main(args: string[]): Promise<void> {
  const { name, given, help } = readCommandLine(args);
  if (help) {
    process.stdout.write(HELP);
    return;
  }
  const server = await start(name, given);
  console.log(`listening on ${server.url}`);
  const stop = () => void server.close().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

function readCommandLine(args: string[]): { name: string; given: Given; help: boolean } {
  const flags = Object.fromEntries(OPTION_NAMES.map((name) => [name, { type: 'string' as const }]));
  const { values, positionals } = parseArgs({
    args,
    options: { ...flags, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const given: Given = {};
  for (const option of OPTION_NAMES) {
    const value =
      (values as Record<string, unknown>)[option] ?? process.env[`SIM_${option.toUpperCase().replaceAll('-', '_')}`];
    if (typeof value === 'string') given[option] = value;
  }
  return { name: positionals[0] ?? 'upstream', given, help: values.help === true };
}

async function start(name: string, given: Given): Promise<{ url: string; close(): Promise<void> }> {
  if (name === 'upstream') return startUpstream(upstreamOptions(given));
  if (name === 's3') return startS3(s3Options(given));
  if (name === 'receiver') return startReceiver(address(given));
  throw new Error(`unknown server '${name}'; servers: upstream, s3, receiver`);
}

function upstreamOptions(given: Given): UpstreamOptions {
  const options = {
    ...address(given),
    reality: given.reality,
    today: given.today,
    latencyScale: toNumber(given['latency-scale']),
    rendering: given.rendering,
    linkTtlMs: toNumber(given['link-ttl-ms']),
    limits: given.limits === undefined ? undefined : (JSON.parse(given.limits) as unknown),
    apiKeys: given['api-keys']?.split(','),
    publicUrl: given['public-url'],
  };
  return defined(options);
}

function s3Options(given: Given): S3Options {
  return defined({
    ...address(given),
    accessKeyId: given['access-key-id'],
    secretAccessKey: given['secret-access-key'],
    region: given.region,
    buckets: given.buckets?.split(','),
    directory: given.directory,
  });
}

function address(given: Given): { host: string; port: number } {
  return { host: given.host ?? '127.0.0.1', port: toNumber(given.port) ?? 0 };
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function defined(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

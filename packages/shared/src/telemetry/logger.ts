// The one way to make a logger: JSON lines by pino, in which known secret fields, secrets inside texts and image bytes
// are replaced. Request and reply bodies are never logged; prompts only when the operator says so.
import { type DestinationStream, type Level, type Logger, pino } from 'pino';
import { describeError } from './describe-error.ts';
import { redactLine } from './redact.ts';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Which process logs; stands in every line. */
  readonly name: string;
  readonly level: Level | 'silent';
  /** Default: standard output. */
  readonly destination?: DestinationStream;
  /** LOG_PROMPTS: leave fields named `prompt` as they are. */
  readonly logPrompts?: boolean;
}

const SECRET_FIELDS = [
  'authorization',
  'apiKey',
  'api_key',
  'adminKey',
  'secret',
  'signingSecret',
  'password',
  'token',
  'b64_json',
];
const PROMPT_FIELDS = ['prompt', 'revised_prompt', 'revisedPrompt'];

export function createLogger({ name, level, destination, logPrompts = false }: LoggerOptions): Logger {
  const fields = logPrompts ? SECRET_FIELDS : [...SECRET_FIELDS, ...PROMPT_FIELDS];
  const options = {
    name,
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError, error: describeError },
    redact: { paths: fields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' },
    hooks: { streamWrite: redactLine },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

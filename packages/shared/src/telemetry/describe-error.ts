// What of an error may be logged: its name, message, code, where it came from, and the same of its causes. Other
// properties are left out, because libraries hang requests, replies and command arguments (prompts, bytes) on errors.

const LONGEST_MESSAGE = 2_000;
const DEEPEST_CAUSE = 5;

export interface DescribedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string | number;
  readonly status?: number;
  readonly requestId?: string;
  readonly stack?: string;
  readonly cause?: DescribedError;
}

/** Total: takes whatever was thrown. */
export function describeError(error: unknown, depth = 0): DescribedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: shorten(typeof error === 'string' ? error : 'not an Error') };
  const { code, status, requestId, cause } = error as Error & Record<'code' | 'status' | 'requestId', unknown>;
  return {
    type: error.name,
    message: shorten(error.message),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof status === 'number' ? { status } : {}),
    ...(typeof requestId === 'string' ? { requestId } : {}),
    ...(error.stack === undefined ? {} : { stack: framesOf(error.stack) }),
    ...(cause === undefined || cause === null || depth >= DEEPEST_CAUSE
      ? {}
      : { cause: describeError(cause, depth + 1) }),
  };
}

/** The stack's frames alone: its head repeats the message, in full length. */
function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

function shorten(message: string): string {
  return message.length <= LONGEST_MESSAGE
    ? message
    : `${message.slice(0, LONGEST_MESSAGE)}… (${message.length} characters)`;
}

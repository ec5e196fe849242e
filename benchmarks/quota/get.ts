// GET for the benchmark's own questions, over connections that are kept between them for as long as a scenario runs.

const CLOSED: readonly unknown[] = ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'];

/**
 * Asks once more when the connection was closed instead of an answer: a server ends an idle one after 72 or 75 s, which is
 * also how long 300 images at 300 a minute take, and a question may just be on its way then.
 */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  send: (url: string, init: RequestInit) => Promise<Response> = fetch,
): Promise<Response> {
  try {
    return await send(url, { headers });
  } catch (error) {
    if (!isClosed(error)) throw error;
    return await send(url, { headers });
  }
}

function isClosed(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && CLOSED.includes(cause.code);
}

// Sends the same POST over and over on a fixed number of connections.
import autocannon from 'autocannon';

export interface Hammered {
  readonly perSecond: number;
  readonly total: number;
}

export const CONNECTIONS = 50;

/** After one second of warming up. Throws when an answer other than `status` came. */
export async function hammer(
  url: string,
  body: object,
  status: number,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<Hammered> {
  const request = {
    url,
    method: 'POST' as const,
    body: JSON.stringify(body),
    // `[<id>]` in the body is another text in each request: no caller sends the same thing all the time.
    idReplacement: true,
    headers: { 'content-type': 'application/json', ...headers },
    connections: CONNECTIONS,
    timeout: 60,
  };
  await autocannon({ ...request, duration: 1 });
  const result = await autocannon({ ...request, duration: seconds });
  const wanted = result.statusCodeStats?.[`${status}`]?.count ?? 0;
  const total = Object.values(result.statusCodeStats ?? {}).reduce((sum, { count = 0 }) => sum + count, 0);
  if (wanted !== total || result.errors > 0) {
    throw new Error(`${url}: ${result.errors} errors, ${JSON.stringify(result.statusCodeStats)}; ${status} was wanted`);
  }
  return { perSecond: total / result.duration, total };
}

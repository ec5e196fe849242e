// Sends the same POST over and over on a fixed number of connections.
import autocannon from 'autocannon';

export interface Hammered {
  readonly perSecond: number;
  readonly total: number;
}

export const CONNECTIONS = 50;
/** Until the compiler is done with what runs all the time; after one second a job still took half as long again. */
const WARM_UP_SECONDS = 3;

interface Target {
  readonly url: string;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** To be called before `hammer`; not counted. */
export async function warmUp(target: Target): Promise<void> {
  await autocannon({ ...toRequest(target), duration: WARM_UP_SECONDS });
}

/** Throws when an answer other than `status` came. */
export async function hammer(target: Target, status: number, seconds: number): Promise<Hammered> {
  const result = await autocannon({ ...toRequest(target), duration: seconds });
  const wanted = result.statusCodeStats?.[`${status}`]?.count ?? 0;
  const total = Object.values(result.statusCodeStats ?? {}).reduce((sum, { count = 0 }) => sum + count, 0);
  if (wanted !== total || result.errors > 0) {
    throw new Error(
      `${target.url}: ${result.errors} errors, ${JSON.stringify(result.statusCodeStats)}; ${status} was wanted`,
    );
  }
  return { perSecond: total / result.duration, total };
}

function toRequest({ url, body, headers }: Target): autocannon.Options {
  return {
    url,
    method: 'POST',
    body: JSON.stringify(body),
    // `[<id>]` in the body is another text in each request: no caller sends the same thing all the time.
    idReplacement: true,
    headers: { 'content-type': 'application/json', ...headers },
    connections: CONNECTIONS,
    timeout: 60,
  };
}

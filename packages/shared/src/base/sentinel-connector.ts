// ioredis' way to the master through its sentinels, with one thing mended. Each connection is watched by a detector that
// ends it when the sentinels tell of a failover. ioredis 6.0.0 keeps the detector of a connection that has closed by itself:
// the news of the failover then ends the attempt to connect anew, and the client never tries again (its issue 1362; the
// mend is in a later release, as pull request 2198). Here a detector ends with its connection.
// A detector's client of a sentinel that is down would also print each failed attempt, several a second, past the logger.
import { type Redis, type SentinelConnectionOptions, SentinelConnector } from 'ioredis';

type Connect = SentinelConnector['connect'];

/** What ioredis keeps to itself. */
interface Detected {
  readonly failoverDetector: { cleanup(): void } | null;
  connectToSentinel(...args: unknown[]): Redis;
}

export class WatchedSentinelConnector extends SentinelConnector {
  /** ioredis passes the client's own options. */
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
    const own = this as unknown as Detected;
    const connectToSentinel = own.connectToSentinel.bind(this);
    // That none can be reached is told by `connect`; one of several may be away.
    own.connectToSentinel = (...args) => connectToSentinel(...args).on('error', () => undefined);
  }

  override async connect(onError: Parameters<Connect>[0]): ReturnType<Connect> {
    const stream = await super.connect(onError);
    // Heard before the client itself hears of it and connects anew.
    stream.once('close', () => (this as unknown as Detected).failoverDetector?.cleanup());
    return stream;
  }
}

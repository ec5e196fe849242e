// For tests: a client of an event stream, read by the rules of the HTML standard and not by ours.
import type { Json } from './start-api.ts';

export interface SeenEvent {
  /** The client's Last-Event-ID after the event. */
  readonly id: string;
  readonly type: string;
  readonly json: Json;
}

export interface EventSourceForTests {
  readonly status: number;
  readonly headers: Headers;
  /** All events so far. */
  readonly events: readonly SeenEvent[];
  readonly comments: readonly string[];
  /** ms, as the server asked; null until it did. */
  readonly retry: number | null;
  /** What the client would send when it came back now. */
  readonly lastEventId: string;
  /** The body when it is no stream. */
  readonly text: string;
  /** The first `count` events, as soon as they are there. Rejects when the stream ends before. */
  take(count: number): Promise<readonly SeenEvent[]>;
  /** Resolves when the server ends the stream; rejects when the connection breaks. */
  readonly ended: Promise<readonly SeenEvent[]>;
  close(): void;
}

export async function openEvents(url: string, headers: Record<string, string> = {}): Promise<EventSourceForTests> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const parser = buildParser();
  const news = new Set<() => void>();
  let isOver = false;
  const tell = (): void => {
    for (const look of news) look();
  };
  const readAll = async (): Promise<readonly SeenEvent[]> => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk, { stream: true }));
        tell();
      }
      return parser.events;
    } finally {
      isOver = true;
      tell();
    }
  };
  const text = isStream ? '' : await response.text();
  const ended = isStream ? readAll() : Promise.resolve([]);
  ended.catch(() => undefined); // whoever looks at it sees it
  return {
    status: response.status,
    headers: response.headers,
    text,
    events: parser.events,
    comments: parser.comments,
    get retry() {
      return parser.retry;
    },
    get lastEventId() {
      return parser.lastEventId;
    },
    ended,
    take: (count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const isThere = parser.events.length >= count;
          if (!isThere && !isOver) return;
          news.delete(look);
          if (isThere) resolve(parser.events.slice(0, count));
          else reject(new Error(`the stream ended after ${parser.events.length} of ${count} events`));
        };
        news.add(look);
        look();
      }),
    close: () => leaving.abort(),
  };
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, for `\n` alone. */
function buildParser() {
  const parser = {
    events: [] as SeenEvent[],
    comments: [] as string[],
    retry: null as number | null,
    lastEventId: '',
    feed(text: string): void {
      rest += text;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        takeLine(rest.slice(0, end));
        rest = rest.slice(end + 1);
      }
    },
  };
  let rest = '';
  let id = '';
  let type = '';
  let data: string[] = [];
  const dispatch = (): void => {
    parser.lastEventId = id;
    if (data.length > 0) parser.events.push({ id, type: type || 'message', json: JSON.parse(data.join('\n')) });
    [type, data] = ['', []];
  };
  const takeLine = (line: string): void => {
    if (line === '') return dispatch();
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === '') parser.comments.push(value);
    if (name === 'id') id = value;
    if (name === 'event') type = value;
    if (name === 'data') data.push(value);
    if (name === 'retry') parser.retry = Number(value);
  };
  return parser;
}

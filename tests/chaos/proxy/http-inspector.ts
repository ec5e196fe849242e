// Reads the HTTP between a process and one of its servers (or between callers and an API), and asks the watch where a
// message may be stopped.
import type { Flow } from './flow.ts';
import { HttpReader, type Piece } from './http-reader.ts';
import type { HttpPoint, Watch } from './points.ts';
import type { Inspect } from './tcp-proxy.ts';

type Request = Pick<HttpPoint, 'link' | 'process' | 'method' | 'path'>;

/** `process`: whose lines these are; null when the process is the one they lead to. */
export function inspectHttp(link: HttpPoint['link'], process: string | null, watch: Watch): Inspect {
  return (toServer, toClient, target) => {
    const asked: Request[] = [];
    const requests = new HttpReader(() => false);
    const replies = new HttpReader(
      (line) => isInterim(line) || /^HTTP\/1.1 (204|304)/.test(line) || asked[0]?.method === 'HEAD',
    );
    const ask = (flow: Flow, point: HttpPoint): void => {
      if (!flow.isHeld && watch(point)) flow.hold();
    };
    const takeRequest = (piece: Piece): void => {
      if (piece.part === 'head') asked.push(toRequest(link, process ?? target.name, piece));
      const request = asked.at(-1);
      if (request === undefined) return;
      const point = { ...request, status: 0, requestId: null };
      if (piece.part === 'head') ask(toServer, { ...point, kind: 'request' });
      toServer.write(piece.bytes);
      if (piece.isLast && !toServer.isHeld) ask(toClient, { ...point, kind: 'sent' });
    };
    const takeReply = (piece: Piece): void => {
      const [request] = asked;
      if (request === undefined || isInterim(piece.message.startLine)) return toClient.write(piece.bytes);
      const point = { ...request, ...outcomeOf(piece) };
      if (piece.part === 'head') ask(toClient, { ...point, kind: 'reply' });
      const half = halfOf(piece);
      toClient.write(piece.bytes.subarray(0, half));
      if (half < piece.bytes.length) ask(toClient, { ...point, kind: 'half' });
      toClient.write(piece.bytes.subarray(half));
      if (!piece.isLast) return;
      asked.shift();
      if (!toClient.isHeld && toClient.isOpen) ask(toClient, { ...point, kind: 'whole' });
    };
    return {
      get isBusy() {
        return asked.length > 0;
      },
      fromClient(chunk) {
        for (const piece of requests.feed(chunk)) takeRequest(piece);
      },
      fromServer(chunk) {
        for (const piece of replies.feed(chunk)) takeReply(piece);
      },
    };
  };
}

function isInterim(startLine: string): boolean {
  return startLine.startsWith('HTTP/1.1 1');
}

function toRequest(link: HttpPoint['link'], process: string, { message }: Piece): Request {
  const [method = '', path = ''] = message.startLine.split(' ');
  return { link, process, method, path };
}

function outcomeOf({ message }: Piece): Pick<HttpPoint, 'status' | 'requestId'> {
  return {
    status: Number(message.startLine.split(' ')[1]),
    requestId: message.headers.get('x-request-id') ?? null,
  };
}

/** How many bytes of the piece belong to the first half of its body; all of them unless the middle lies in it. */
function halfOf({ message, part, at, bytes }: Piece): number {
  if (part === 'head' || message.length === null) return bytes.length;
  const middle = Math.floor(message.length / 2);
  return at <= middle && middle < at + bytes.length ? middle - at : bytes.length;
}

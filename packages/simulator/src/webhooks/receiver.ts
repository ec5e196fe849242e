/** A webhook receiver on localhost: records what it is sent and answers as told. Control routes under /_sim. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { isObject, NotAJsonObject, parseJson, readBody, readJsonObject } from '../http/body.ts';
import { listen } from '../http/listen.ts';
import { pause } from '../http/pause.ts';
import { sendBody, sendJson } from '../http/reply.ts';

export interface Received {
  seq: number;
  /** Milliseconds since 1970. */
  at: number;
  path: string;
  headers: IncomingHttpHeaders;
  /** Parsed JSON, or null. */
  body: unknown;
  rawBody: string;
  /** What was answered; null if nothing was. */
  status: number | null;
}

/** How to answer; the first behaviour that fits a path is used. */
interface Behaviour {
  /** Only this path; null = every path. */
  path: string | null;
  status: number;
  headers: Record<string, string>;
  delayMs: number;
  hang: boolean;
  reset: boolean;
  /** How many more requests; null = until removed. */
  count: number | null;
}

interface ReceiverWorld {
  received: Received[];
  behaviours: Behaviour[];
  lastSeq: number;
  closing: AbortSignal;
}

const MAX_BODY_BYTES = 16 * 1024 * 1024;
const FIELDS = ['path', 'status', 'headers', 'delayMs', 'hang', 'reset', 'count'];

export async function startReceiver(
  options: { host?: string; port?: number } = {},
): Promise<{ url: string; port: number; close(): Promise<void> }> {
  const closing = new AbortController();
  const world: ReceiverWorld = { received: [], behaviours: [], lastSeq: 0, closing: closing.signal };
  const server = await listen((req, res) => handle(world, req, res), options.host ?? '127.0.0.1', options.port ?? 0);
  const close = async () => {
    closing.abort();
    await server.close();
  };
  return { url: server.url, port: server.port, close };
}

async function handle(world: ReceiverWorld, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(`http://receiver${req.url ?? '/'}`);
  if (url.pathname.startsWith('/_sim/')) return handleControl(world, url, req, res);
  if (req.method !== 'POST') return sendJson(res, 405, { error: 'only POST is received' });
  const rawBody = (await readBody(req, MAX_BODY_BYTES)).toString('utf8');
  world.lastSeq += 1;
  const row: Received = {
    seq: world.lastSeq,
    at: Date.now(),
    path: url.pathname,
    headers: req.headers,
    body: parseJson(rawBody) ?? null,
    rawBody,
    status: null,
  };
  world.received.push(row);
  await answer(world, row, res);
}

async function answer(world: ReceiverWorld, row: Received, res: ServerResponse): Promise<void> {
  const behaviour = takeBehaviour(world, row.path);
  if (behaviour?.hang) return;
  if (!(await pause(behaviour?.delayMs ?? 0, world.closing))) return;
  if (behaviour?.reset) {
    res.socket?.resetAndDestroy();
    return;
  }
  row.status = behaviour?.status ?? 200;
  sendBody(res, row.status, '', behaviour?.headers ?? {});
}

function takeBehaviour(world: ReceiverWorld, path: string): Behaviour | null {
  const behaviour = world.behaviours.find((one) => one.path === null || one.path === path) ?? null;
  if (behaviour?.count != null) {
    behaviour.count -= 1;
    if (behaviour.count === 0) world.behaviours.splice(world.behaviours.indexOf(behaviour), 1);
  }
  return behaviour;
}

async function handleControl(world: ReceiverWorld, url: URL, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const route = `${req.method} ${url.pathname}`;
  if (route === 'GET /_sim/health') return sendJson(res, 200, { ok: true });
  if (route === 'GET /_sim/received') {
    const since = Number(url.searchParams.get('since'));
    return sendJson(res, 200, { seq: world.lastSeq, received: world.received.filter((row) => row.seq > since) });
  }
  if (route === 'DELETE /_sim/received') {
    world.received = [];
    return sendJson(res, 200, { ok: true });
  }
  if (route === 'GET /_sim/behaviour') return sendJson(res, 200, { behaviours: world.behaviours });
  if (route === 'DELETE /_sim/behaviour') {
    world.behaviours = [];
    return sendJson(res, 200, { ok: true });
  }
  if (route === 'POST /_sim/behaviour') return addBehaviour(world, req, res);
  sendJson(res, 404, { error: `no control route ${route}` });
}

async function addBehaviour(world: ReceiverWorld, req: IncomingMessage, res: ServerResponse): Promise<void> {
  try {
    const body = await readJsonObject(req);
    const stranger = Object.keys(body).find((key) => !FIELDS.includes(key));
    if (stranger !== undefined) {
      return sendJson(res, 400, { error: `unknown field '${stranger}'; fields: ${FIELDS.join(', ')}` });
    }
    world.behaviours.push(toBehaviour(body));
    sendJson(res, 200, { ok: true });
  } catch (error) {
    if (!(error instanceof NotAJsonObject)) throw error;
    sendJson(res, 400, { error: error.message });
  }
}

function toBehaviour(body: Record<string, unknown>): Behaviour {
  const headers = isObject(body.headers) ? body.headers : {};
  return {
    path: typeof body.path === 'string' ? body.path : null,
    status: typeof body.status === 'number' ? body.status : 200,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    delayMs: typeof body.delayMs === 'number' ? body.delayMs : 0,
    hang: body.hang === true,
    reset: body.reset === true,
    count: typeof body.count === 'number' ? body.count : null,
  };
}

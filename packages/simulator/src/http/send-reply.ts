/** Puts a reply on the wire: whole, slowly, or cut in half. */
import type { ServerResponse } from 'node:http';
import { pause } from './pause.ts';

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

/** How often a slow body gets its next piece. */
const SLOW_TICK_MS = 100;

/** True when the whole reply was handed to the system, false when the connection closed first. */
export async function sendReply(
  res: ServerResponse,
  reply: Reply,
  bytesPerSecond: number | null,
  closing: AbortSignal,
): Promise<boolean> {
  if (res.destroyed) return false;
  const body = toBuffer(reply.body);
  res.writeHead(reply.status, { ...reply.headers, 'content-length': body.length });
  const closed = new Promise<void>((resolve) => res.once('close', resolve));
  if (bytesPerSecond === null) res.end(body);
  else await drip(res, body, bytesPerSecond, closing);
  await closed;
  return res.writableFinished;
}

/** Announces the whole length, sends so many bytes of it and cuts the connection, or lets it stand still. */
export async function sendTruncated(
  res: ServerResponse,
  reply: Reply,
  bytes: number,
  end: 'cut' | 'stall',
): Promise<void> {
  if (res.destroyed) return;
  const body = toBuffer(reply.body);
  res.writeHead(reply.status, { ...reply.headers, 'content-length': body.length });
  await new Promise<void>((resolve) => {
    res.once('close', resolve);
    res.write(body.subarray(0, bytes), () => end === 'cut' && res.destroy());
  });
}

function toBuffer(body: string | Buffer): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

async function drip(res: ServerResponse, body: Buffer, bytesPerSecond: number, closing: AbortSignal): Promise<void> {
  const step = Math.max(1, Math.round((bytesPerSecond * SLOW_TICK_MS) / 1000));
  for (let at = 0; at < body.length && !res.destroyed; at += step) {
    res.write(body.subarray(at, at + step));
    if (!(await pause(SLOW_TICK_MS, closing))) return;
  }
  res.end();
}

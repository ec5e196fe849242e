/** The control routes every server of the simulator shares: /_sim/health and /_sim/faults. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type FaultBook, FaultProblem } from '../faults/fault-book.ts';
import { NotAJsonObject, readJsonObject } from './body.ts';
import { sendJson } from './reply.ts';

/** Answers if the path is one of the shared routes; says whether it did. */
export async function handleFaultRoutes<Kind extends string>(
  faults: FaultBook<Kind>,
  path: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<boolean> {
  if (path === '/_sim/health') {
    sendJson(res, 200, { ok: true });
    return true;
  }
  const match = /^\/_sim\/faults(?:\/([^/]+))?$/.exec(path);
  if (match === null) return false;
  const id = match[1];
  if (req.method === 'POST' && id === undefined) await addFault(faults, req, res);
  else if (req.method === 'GET' && id === undefined) sendJson(res, 200, { faults: faults.list() });
  else if (req.method === 'DELETE') removeFaults(faults, id, res);
  else return false;
  return true;
}

async function addFault<Kind extends string>(
  faults: FaultBook<Kind>,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    sendJson(res, 200, { id: faults.add(await readJsonObject(req)).id });
  } catch (error) {
    if (!(error instanceof FaultProblem || error instanceof NotAJsonObject)) throw error;
    sendJson(res, 400, { error: error.message, kinds: faults.kinds });
  }
}

function removeFaults<Kind extends string>(faults: FaultBook<Kind>, id: string | undefined, res: ServerResponse): void {
  if (id === undefined) {
    faults.clear();
    sendJson(res, 200, { ok: true });
    return;
  }
  const removed = faults.remove(id);
  sendJson(res, removed ? 200 : 404, removed ? { ok: true } : { error: `no fault '${id}'` });
}

/** The control routes under /_sim: health, faults, ledger, settings, stats. Never part of the simulated API. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { NotAJsonObject, readJsonObject } from '../http/body.ts';
import { handleFaultRoutes } from '../http/fault-routes.ts';
import { sendJson } from '../http/reply.ts';
import { changeSettings, SettingsProblem } from './settings.ts';
import type { World } from './world.ts';

export async function handleControl(world: World, url: URL, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (await handleFaultRoutes(world.faults, url.pathname, req, res)) return;
  const route = `${req.method} ${url.pathname}`;
  if (route === 'GET /_sim/ledger') return sendJson(res, 200, world.ledger.read(Number(url.searchParams.get('since'))));
  if (route === 'DELETE /_sim/ledger') {
    world.ledger.empty();
    return sendJson(res, 200, { ok: true });
  }
  if (route === 'GET /_sim/settings') return sendJson(res, 200, world.settings);
  if (route === 'POST /_sim/settings') return postSettings(world, req, res);
  if (route === 'GET /_sim/stats') {
    return sendJson(res, 200, { ...world.traffic.report(), ...world.ledger.counts });
  }
  if (route === 'DELETE /_sim/stats') {
    world.traffic.reset();
    return sendJson(res, 200, { ok: true });
  }
  sendJson(res, 404, { error: `no control route ${route}` });
}

async function postSettings(world: World, req: IncomingMessage, res: ServerResponse): Promise<void> {
  try {
    const change = await readJsonObject(req);
    world.settings = changeSettings(world.settings, change);
    const { limits, limitBurstSeconds } = world.settings;
    if ('limits' in change || 'limitBurstSeconds' in change) world.limiter.setLimits(limits, limitBurstSeconds);
    sendJson(res, 200, world.settings);
  } catch (error) {
    if (!(error instanceof SettingsProblem || error instanceof NotAJsonObject)) throw error;
    sendJson(res, 400, { error: error.message });
  }
}

/**
 * A faithful OpenAI Images API on localhost, under /v1, with control routes under /_sim. Facts as of 2026-11-22.
 * Holds everything in memory; imports nothing but npm packages and node modules.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FaultBook } from '../faults/fault-book.ts';
import { listen } from '../http/listen.ts';
import { sendBody, sendJson } from '../http/reply.ts';
import { ApiError } from './api-error.ts';
import { requireApiKey } from './authenticate.ts';
import { getModel, listModels } from './catalog-routes.ts';
import { handleControl } from './control.ts';
import { FAULT_KINDS, FAULT_MATCH_KEYS } from './fault-kinds.ts';
import { handleFiles } from './file-routes.ts';
import { FileStore } from './file-store.ts';
import { handleImages } from './image-route.ts';
import { Ledger } from './ledger.ts';
import { LinkStore } from './link-store.ts';
import type { Operation } from './models.ts';
import { type Limits, RateLimiter } from './rate-limiter.ts';
import { changeSettings, type Settings } from './settings.ts';
import { Traffic } from './traffic.ts';
import type { World } from './world.ts';

export interface UpstreamOptions {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0 = any free port. */
  port?: number;
  /** `today` (default): retired models and the variations route answer as they do now. `everything`: all work. */
  reality?: 'today' | 'everything';
  /** YYYY-MM-DD, the day that decides which models are retired. Default: the current day. */
  today?: string;
  /** Accepted keys. Default: any. */
  apiKeys?: string[];
  /** 1 = true to life (10-60 s), 0 = at once. Default 0.05. */
  latencyScale?: number;
  /** By model id or family. Default: unlimited. */
  limits?: Limits;
  /** Life of a result link. Default one hour. */
  linkTtlMs?: number;
  /** `fast`: one picture per size and format, made once; only its id differs. */
  rendering?: 'full' | 'fast';
  /** Base of result links. Default: the server's own address. */
  publicUrl?: string;
}

export interface Upstream {
  /** http://127.0.0.1:PORT */
  url: string;
  /** `url` + /v1 */
  baseUrl: string;
  port: number;
  /** Cuts all connections, ends all waits. */
  close(): Promise<void>;
}

const DEFAULTS: Settings = {
  reality: 'today',
  today: null,
  latencyScale: 0.05,
  linkTtlMs: 3_600_000,
  rendering: 'full',
  limits: {},
  limitBurstSeconds: 60,
  limitTelling: 'headers',
  shutdownDates: {},
};

const OPERATIONS: Record<string, Operation> = { generations: 'generation', edits: 'edit', variations: 'variation' };

/** Throws SettingsProblem on a wrong option. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const { host = '127.0.0.1', port = 0, apiKeys, publicUrl, ...settings } = options;
  const closing = new AbortController();
  const world = buildWorld(changeSettings(DEFAULTS, withoutUndefined(settings)), apiKeys, closing.signal);
  const server = await listen((req, res) => route(world, req, res), host, port);
  world.publicUrl = publicUrl ?? server.url;
  const close = async () => {
    closing.abort();
    await server.close();
  };
  return { url: server.url, baseUrl: `${server.url}/v1`, port: server.port, close };
}

function buildWorld(settings: Settings, apiKeys: string[] | undefined, closing: AbortSignal): World {
  return {
    settings,
    apiKeys: apiKeys === undefined ? null : new Set(apiKeys),
    faults: new FaultBook(FAULT_KINDS, FAULT_MATCH_KEYS),
    ledger: new Ledger(),
    limiter: new RateLimiter(settings.limits, settings.limitBurstSeconds),
    traffic: new Traffic(),
    files: new FileStore(),
    links: new LinkStore(),
    publicUrl: '',
    closing,
  };
}

async function route(world: World, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const url = new URL(`http://simulator${req.url ?? '/'}`);
  const [first, second, third, fourth] = url.pathname.split('/').slice(1);
  if (first === '_sim') return handleControl(world, url, req, res);
  if (first === 'private') return download(world, url, res);
  const operation = first === 'v1' && second === 'images' ? OPERATIONS[third ?? ''] : undefined;
  if (operation !== undefined && req.method === 'POST') return handleImages(world, operation, req, res);
  try {
    requireApiKey(world.apiKeys, req.headers.authorization);
    if (first === 'v1' && second === 'files') return await handleFiles(world.files, third, fourth, req, res);
    if (first !== 'v1' || second !== 'models' || req.method !== 'GET') throw noSuchRoute(req.method, url.pathname);
    const { settings } = world;
    sendJson(res, 200, third === undefined ? listModels(settings) : getModel(third, settings));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    sendJson(res, error.status, error.body);
  }
}

/** A result link, answered as Azure's blob store does: the image, or XML with the reason. */
function download(world: World, url: URL, res: ServerResponse): void {
  const found = world.links.download(url, Date.now());
  if ('bytes' in found) return sendBody(res, 200, found.bytes, { 'content-type': found.contentType });
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${found.code}</Code><Message>Server failed to authenticate the request, or the resource does not exist.</Message></Error>`;
  sendBody(res, found.status, body, { 'content-type': 'application/xml' });
}

function noSuchRoute(method: string | undefined, path: string): ApiError {
  return new ApiError(404, { message: `Invalid URL (${method} ${path})`, type: 'invalid_request_error' });
}

function withoutUndefined(options: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

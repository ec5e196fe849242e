// Who calls. AUTH=keys: the account of the bearer key. AUTH=off: the account `default`, and only from this machine: a web
// page elsewhere must not reach us through the user's browser.
import { DEFAULT_ACCOUNT, isSecret } from '@darkroom/shared/accounts/accounts.ts';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { isLoopback } from '../http/loopback.ts';
import { unknownUrl } from './errors.ts';

type AuthDeps = Pick<Deps, 'config' | 'accounts'>;

export function registerAuth(app: App, deps: AuthDeps): void {
  const { config } = deps;
  const publicUrl = new URL(config.PUBLIC_URL);
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access ?? 'none';
    const hasLink = access === 'link' && hasSignature(request);
    if (config.AUTH === 'off' && !hasLink) assertLocal(request, publicUrl);
    if (access === 'account' || (access === 'link' && !hasLink)) request.account = accountOf(request, deps);
    if (access === 'metrics' && config.ADMIN_KEY !== null) assertAdmin(request, config.ADMIN_KEY, deps);
    if (access === 'admin') assertOperator(request, deps);
  });
}

/** Whether a request carries a signed link. Its account stays '' and the route checks the link. */
function hasSignature(request: FastifyRequest): boolean {
  return /[?&]sig=/.test(request.url);
}

function accountOf(request: FastifyRequest, { config, accounts }: AuthDeps): string {
  if (config.AUTH === 'off') return DEFAULT_ACCOUNT;
  const key = bearerOf(request);
  const account = accounts.find(key);
  if (account === null) throw incorrectKey(key);
  return account;
}

/** Without ADMIN_KEY there are no admin routes, but under AUTH=off whoever is on this machine is the operator. */
function assertOperator(request: FastifyRequest, deps: AuthDeps): void {
  const { ADMIN_KEY, AUTH } = deps.config;
  if (ADMIN_KEY !== null) assertAdmin(request, ADMIN_KEY, deps);
  else if (AUTH === 'keys') throw unknownUrl(request);
}

/** A key that is valid elsewhere is told apart, as OpenAI does with a key of too few permissions. */
function assertAdmin(request: FastifyRequest, adminKeyHash: Buffer, { config, accounts }: AuthDeps): void {
  const key = bearerOf(request);
  if (isSecret(key, adminKeyHash)) return;
  if (config.AUTH === 'off' || accounts.find(key) === null) throw incorrectKey(key);
  throw new ServiceError(
    'forbidden',
    'You have insufficient permissions for this operation: it takes the ADMIN_KEY of this Darkroom, not the API key of ' +
      'an account.',
  );
}

/** Throws ServiceError `invalid_api_key` when the request has none. */
function bearerOf(request: FastifyRequest): string {
  const match = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '');
  if (match?.[1] !== undefined) return match[1];
  throw unauthorized(
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
      '(i.e. Authorization: Bearer YOUR_KEY).',
  );
}

function incorrectKey(key: string): ServiceError {
  return unauthorized(`Incorrect API key provided: ${maskKey(key)}. Ask the operator of this Darkroom for a key.`);
}

function unauthorized(message: string): ServiceError {
  return new ServiceError('invalid_api_key', message, { headers: { 'www-authenticate': 'Bearer realm="darkroom"' } });
}

/** `dk_****…abcd`: enough to tell which key was sent, useless to anyone else. Short keys are hidden wholly. */
export function maskKey(key: string): string {
  if (key.length < 16) return '****';
  return `${key.startsWith('dk_') ? 'dk_' : ''}****…${key.slice(-4).replace(/[^A-Za-z0-9_-]/g, '*')}`;
}

function assertLocal(request: FastifyRequest, known: URL): void {
  const { host, origin } = request.headers;
  const isKnownHost = host !== undefined && (host.toLowerCase() === known.host || isLoopback(hostnameOf(host)));
  if (!isKnownHost) throw forbidden('the Host header names another machine');
  if (origin !== undefined && origin !== known.origin && originHostOf(origin) !== host.toLowerCase()) {
    throw forbidden('the request comes from another web page');
  }
  if (request.headers['sec-fetch-site'] === 'cross-site') throw forbidden('the request comes from another web page');
}

function forbidden(reason: string): ServiceError {
  return new ServiceError('forbidden', `With AUTH=off only this machine may call: ${reason}.`);
}

/** `localhost:3000` → `localhost`, `[::1]:3000` → `[::1]`. */
function hostnameOf(host: string): string {
  return host.replace(/:\d+$/, '');
}

function originHostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

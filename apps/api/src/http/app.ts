// The Fastify instance as this app uses it, and what the app adds to requests and routes.
import type { FastifyInstance } from 'fastify';
import type { Operation } from '../openapi/operation.ts';

export type App = FastifyInstance;

/**
 * `account`: an API key · `link`: an API key or a signed link · `admin`: ADMIN_KEY, nobody without one under AUTH=keys ·
 * `metrics`: ADMIN_KEY when set · `none`.
 */
export type Access = 'account' | 'link' | 'admin' | 'metrics' | 'none';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls; '' where no key is needed. */
    account: string;
    /** The job a request is about, for its log line. */
    jobId: string;
  }
  interface FastifyContextConfig {
    /** Absent: `none`. */
    access?: Access;
    /** A form may be long and take long: the route streams it and watches over it itself. */
    isStreamed?: boolean;
    /** How long any other body may take to come in; absent: as long as small ones do. */
    bodyTimeMs?: number;
    /** How the route stands in the OpenAPI document; absent: it doesn't. */
    operation?: Operation;
  }
}

// Reads query strings strictly: every parameter is known, given once and well-formed, or it is named in a 400. A typo in
// a filter must not quietly list everything.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { nearestNames } from '@darkroom/shared/models/rules.ts';
import type { FastifyRequest } from 'fastify';

export interface Query {
  /** The value of a parameter; null when it is not given. */
  get(name: string): string | null;
  /** Values of `name[key]` by key. */
  map(name: string): Readonly<Record<string, string>>;
}

interface Known {
  readonly names: readonly string[];
  /** Parameters written `name[key]`. */
  readonly maps?: readonly string[];
}

/** Throws one ServiceError for all unknown or repeated parameters. */
export function readQuery(request: FastifyRequest, known: Known): Query {
  const search = searchOf(request.raw.url ?? '/');
  const problems = [...new Set(search.keys())].flatMap((name) => problemOf(name, search, known));
  if (problems.length > 0) throw ServiceError.ofProblems(problems);
  return {
    get: (name) => search.get(name),
    map: (name) =>
      Object.fromEntries(
        [...search].filter(([key]) => isEntryOf(key, name)).map(([key, value]) => [keyOf(key, name), value]),
      ),
  };
}

function searchOf(url: string): URLSearchParams {
  return url.includes('?') ? new URL(url, 'http://localhost').searchParams : new URLSearchParams();
}

function problemOf(name: string, search: URLSearchParams, { names, maps = [] }: Known): ServiceError[] {
  if (!names.includes(name) && !maps.some((map) => isEntryOf(name, map))) {
    const shown = name.slice(0, 64);
    const near = nearestNames(name, [...names, ...maps.map((map) => `${map}[key]`)])[0];
    const hint = near === undefined ? '' : ` Did you mean '${near}'?`;
    return [new ServiceError('unknown_parameter', `Unknown query parameter: '${shown}'.${hint}`, { param: shown })];
  }
  if (search.getAll(name).length === 1) return [];
  return [new ServiceError('invalid_value', `Query parameter '${name}' is given more than once.`, { param: name })];
}

function isEntryOf(name: string, map: string): boolean {
  return name.startsWith(`${map}[`) && name.endsWith(']') && keyOf(name, map).length > 0;
}

function keyOf(name: string, map: string): string {
  return name.slice(map.length + 1, -1);
}

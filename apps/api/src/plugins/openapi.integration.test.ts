import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { buildApp } from '../app.ts';
import { COMPONENTS } from '../openapi/document.ts';
import type { Media, Operation } from '../openapi/operation.ts';
import { type Json, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
let document: Json;
beforeAll(async () => {
  api = await startApi();
  document = (await api.ask('/openapi.json')).json;
});
afterAll(() => api.close());

function operations(): [path: string, method: string, operation: Operation][] {
  return Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [path, method, operation]),
  );
}

/** The zod schema a media type names, or one made from its inline schema. */
function toZod(schema: Json): z.ZodType {
  if (schema.oneOf) return z.union(schema.oneOf.map(toZod));
  if (schema.$ref === undefined) return z.fromJSONSchema(schema);
  const id = schema.$ref.replace('#/components/schemas/', '');
  const found = COMPONENTS.find((candidate) => candidate.meta()?.id === id);
  if (found === undefined) throw new Error(`no schema ${id}`);
  return found;
}

function examplesOf(media: Media): unknown[] {
  return [
    ...(media.example === undefined ? [] : [media.example]),
    ...Object.values(media.examples ?? {}).map(({ value }) => value),
  ];
}

/** Fastify prints its routes as a tree of segments: `│   ├── jobs (GET, POST)`. */
function pathsOf(tree: string): string[] {
  const prefixes: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const match = /^([\s│]*)[├└]── (\S+)(?: \((.+)\))?/.exec(line);
    if (!match) return [];
    const depth = (match[1] ?? '').length / 4;
    prefixes.length = depth;
    prefixes.push(match[2] ?? '');
    return match[3] === undefined ? [] : [prefixes.join('').replace(/:(\w+)/g, '{$1}')];
  });
}

describe('/openapi.json', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    expect(await validator.validate(document)).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });

  it('holds every registered path, and no other', async () => {
    const app = await buildApp(api.deps);
    const registered = pathsOf(app.printRoutes({ commonPrefix: false })).filter((path) => !path.startsWith('/docs/'));
    for (const [path, method] of operations()) {
      expect(app.hasRoute({ url: path.replace(/\{(\w+)\}/g, ':$1'), method: method.toUpperCase() })).toBe(true);
    }
    await app.close();
    expect(registered.length).toBeGreaterThan(10);
    expect(registered.toSorted()).toEqual(Object.keys(document.paths).toSorted());
  });

  it('holds every method a path answers to', async () => {
    for (const [path, methods] of Object.entries<object>(document.paths)) {
      const { status, headers } = await api.ask(path.replace(/\{\w+\}/g, 'x'), { method: 'PATCH' });
      if (path === '/docs') continue; // registered by swagger-ui
      expect([path, status]).toEqual([path, 405]);
      const allowed = (headers.get('allow') ?? '').toLowerCase().split(', ');
      expect(allowed.filter((method) => method !== 'head').sort()).toEqual(
        Object.keys(methods)
          .filter((method) => method !== 'head')
          .sort(),
      );
    }
  });

  it('gives each operation an id of its own', () => {
    const ids = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('documents the parameters in each path', () => {
    for (const [path, , { parameters = [] }] of operations()) {
      const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`);
      expect(inPath).toEqual(path.match(/\{\w+\}/g) ?? []);
    }
  });

  it('has for every operation behind a key its 401, 403, 500 and 503', () => {
    for (const [path, method, { security, responses }] of operations()) {
      if (security === undefined)
        expect([path, method, Object.keys(responses)]).toEqual([
          path,
          method,
          expect.arrayContaining(['401', '403', '500', '503']),
        ]);
    }
  });

  it('gives examples that match their schemas, for every JSON body', () => {
    for (const [path, method, { requestBody, responses }] of operations()) {
      const bodies = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
      for (const media of bodies.flatMap((content) => content?.['application/json'] ?? [])) {
        const examples = examplesOf(media);
        if (path !== '/openapi.json') expect(examples.length, `${method} ${path}`).toBeGreaterThan(0);
        for (const example of examples)
          expect(toZod(media.schema).safeParse(example).error, `${method} ${path}`).toBeUndefined();
      }
    }
  });

  it('refers only to schemas it holds', () => {
    const references = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? [];
    expect(references.length).toBeGreaterThan(10);
    for (const reference of references)
      expect(document.components.schemas).toHaveProperty(reference.split('/').at(-1) ?? '');
  });
});

describe('/docs', () => {
  it('lets no other host in', async () => {
    const { status, headers, text } = await api.ask('/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(text).not.toMatch(/<script>/);
  });

  it.each(['swagger-ui.css', 'swagger-ui-bundle.js', 'swagger-initializer.js'])('has its own %s', async (file) => {
    expect((await api.ask(`/docs/static/${file}`)).status).toBe(200);
  });

  it('answers a missing file in OpenAI shape', async () => {
    const { status, json } = await api.ask('/docs/static/nothing.js');
    expect([status, json.error.code]).toEqual([404, 'not_found']);
  });
});

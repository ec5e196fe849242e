// The OpenAPI 3.1 document: the operations the routes brought along, and the schemas of requests and replies.
import * as fileSchemas from '@darkroom/shared/files/schemas.ts';
import * as laneSchemas from '@darkroom/shared/lanes/schemas.ts';
import * as batchSchemas from '@darkroom/shared/requests/batch-schemas.ts';
import * as imagesSchemas from '@darkroom/shared/requests/images-schemas.ts';
import * as inputSchemas from '@darkroom/shared/requests/input-schemas.ts';
import * as schemas from '@darkroom/shared/requests/schemas.ts';
import * as webhookSchemas from '@darkroom/shared/webhooks/schemas.ts';
import { z } from 'zod';
import type { Operation, Schema } from './operation.ts';

/** Every schema an operation can refer to. */
export const COMPONENTS: readonly z.ZodType[] = [
  schemas,
  inputSchemas,
  imagesSchemas,
  batchSchemas,
  fileSchemas,
  webhookSchemas,
  laneSchemas,
].flatMap((module): z.ZodType[] => Object.values(module));

export interface DocumentedRoute {
  /** As Fastify writes it, `/v1/jobs/:id`. */
  readonly url: string;
  readonly method: string;
  readonly operation: Operation;
}

export function buildDocument(routes: readonly DocumentedRoute[], publicUrl: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Darkroom',
      version: '0.1.0',
      summary: 'Queue-backed image jobs for the OpenAI Images API.',
      description:
        'Takes image jobs over HTTP, works them off under the limits of the OpenAI account, and keeps every paid image. ' +
        "Fields, errors and lists follow OpenAI's; errors are `{ error: { message, type, param, code } }`, with all problems " +
        'of a request in `error.details`. Unknown fields are refused by name.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [
      { url: new URL(publicUrl).pathname, description: 'Where this document came from.' },
      { url: publicUrl, description: 'PUBLIC_URL.' },
    ],
    security: [{ apiKey: [] }],
    tags: [
      { name: 'Jobs', description: 'Submit, watch, cancel and retry image jobs.' },
      { name: 'Events', description: 'What happens to jobs and batches, as it happens.' },
      {
        name: 'Images',
        description: "OpenAI's Images API: generations, edits, variations; and the bytes of stored images.",
      },
      { name: 'Batches', description: 'Up to 50,000 requests at once, as a file or inline.' },
      { name: 'Files', description: "Input images, files for batches, and those batches wrote; OpenAI's Files API." },
      { name: 'Webhooks', description: 'What was sent to whom; signed as Standard Webhooks asks.' },
      { name: 'Models', description: 'What each model takes, costs, and when it ends.' },
      { name: 'Service', description: 'For operators.' },
    ],
    paths: pathsOf(routes),
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of API_KEYS, `dk_…`. Not needed under AUTH=off.',
        },
        adminKey: { type: 'http', scheme: 'bearer', description: 'ADMIN_KEY.' },
      },
    },
  };
}

function pathsOf(routes: readonly DocumentedRoute[]): Record<string, Record<string, Operation>> {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const { url, method, operation } of routes) {
    const path = url.replace(/:(\w+)/g, '{$1}');
    const isHead = method === 'HEAD';
    const operationId = isHead ? operation.operationId.replace(/^get/, 'head') : operation.operationId;
    paths[path] = { ...paths[path], [method.toLowerCase()]: { ...operation, operationId } };
  }
  return paths;
}

/** The components, by their ids. Replies may grow fields, so they are described as open. */
function componentSchemas(): Record<string, Schema> {
  const registry = z.registry<{ id: string }>();
  for (const schema of COMPONENTS) {
    const meta = schema.meta();
    if (meta?.id !== undefined) registry.add(schema, { ...meta, id: meta.id });
  }
  const made = z.toJSONSchema(registry, {
    io: 'input',
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => removeIntegerRange(jsonSchema),
  });
  return Object.fromEntries(Object.entries(made.schemas).map(([id, schema]) => [id, withoutIdentity(schema)]));
}

function withoutIdentity(schema: object): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !['$id', '$schema', 'id'].includes(name)));
}

/** Every integer of zod has the range of a double's integers, which says nothing here. */
function removeIntegerRange(schema: { minimum?: number; maximum?: number }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
}

// Stands between Darkroom and the simulated upstream and notes what was really sent: the route, JSON or form, the fields,
// and of each image its bytes and claimed type. Passes everything on unchanged.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { boundaryOf, parseMultipart } from '@darkroom/simulator/http/multipart.ts';
import { sha256Of } from './pictures.ts';

interface SentImage {
  /** Where it stood: `image`, `image[]`, `mask` of a form; `images[0]`, `mask` of JSON. */
  readonly name: string;
  readonly sha256: string;
  readonly type: string | null;
  readonly bytes: Buffer;
}

export interface Sent {
  /** Below /v1: `/images/edits`. */
  readonly path: string;
  readonly kind: 'json' | 'form';
  /** Everything but images; of a form as text. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly images: readonly SentImage[];
}

export interface Wiretap {
  /** What OPENAI_BASE_URL is set to. */
  readonly baseUrl: string;
  /** The simulator's address; to be told before the first call. */
  passOnTo(url: string): void;
  /** Requests for images with this prompt, in the order sent. */
  sent(prompt: string): readonly Sent[];
  stop(): Promise<void>;
}

const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding']);

export async function startWiretap(): Promise<Wiretap> {
  const requests: Sent[] = [];
  let target = '';
  const server = createServer((request, reply) => {
    void passOn(request, reply, () => target, requests).catch(() => reply.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    passOnTo(url) {
      target = url;
    },
    sent: (prompt) => requests.filter(({ fields }) => fields['prompt'] === prompt),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function passOn(
  request: IncomingMessage,
  reply: ServerResponse,
  target: () => string,
  requests: Sent[],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const { authorization = '', 'content-type': type = '' } = request.headers;
  const path = (request.url ?? '').replace(/^\/v1/, '');
  if (path.startsWith('/images/')) requests.push(read(path, type, body));
  const answer = await fetch(target() + (request.url ?? ''), {
    method: request.method ?? 'GET',
    headers: { authorization, ...(type === '' ? {} : { 'content-type': type }) },
    ...(body.length === 0 ? {} : { body }),
  });
  const headers = [...answer.headers].filter(([name]) => !HOP_BY_HOP.has(name));
  reply.writeHead(answer.status, Object.fromEntries(headers));
  reply.end(Buffer.from(await answer.arrayBuffer()));
}

function read(path: string, type: string, body: Buffer): Sent {
  const boundary = boundaryOf(type);
  if (boundary !== null) return readForm(path, body, boundary);
  const {
    images = [],
    mask,
    ...fields
  } = JSON.parse(body.toString()) as Record<string, unknown> & {
    images?: unknown[];
  };
  const listed = [...images.map((image, at) => [`images[${at}]`, image] as const), ['mask', mask] as const];
  return {
    path,
    kind: 'json',
    fields,
    images: listed.filter(([, image]) => image !== undefined).map(([name, image]) => readDataUrl(name, image)),
  };
}

function readForm(path: string, body: Buffer, boundary: string): Sent {
  const parts = parseMultipart(body, boundary);
  const files = parts.filter(({ filename }) => filename !== null);
  const texts = parts.filter(({ filename }) => filename === null);
  return {
    path,
    kind: 'form',
    fields: Object.fromEntries(texts.map(({ name, data }) => [name, data.toString()])),
    images: files.map(({ name, contentType, data }) => ({
      name,
      sha256: sha256Of(data),
      type: contentType,
      bytes: Buffer.from(data),
    })),
  };
}

function readDataUrl(name: string, image: unknown): SentImage {
  const url = (image as { image_url?: string }).image_url ?? '';
  const [, type = null, text = ''] = /^data:([^;]+);base64,(.*)$/s.exec(url) ?? [];
  const bytes = Buffer.from(text, 'base64');
  return { name, sha256: sha256Of(bytes), type, bytes };
}

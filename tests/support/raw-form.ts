// A multipart form sent piece by piece, so that a test can stop half-way, look, or send more than anyone should read.
import { type IncomingMessage, request as startRequest } from 'node:http';
import type { ApiError } from './api.ts';

interface FormReply {
  readonly status: number;
  readonly error: (ApiError & { readonly details?: readonly ApiError[] }) | null;
}

export interface OpenForm {
  /** Sends more of the file; resolves when it has left this process, at once when the server has hung up. */
  write(bytes: Buffer): Promise<void>;
  /** Ends file and form. */
  end(): void;
  /** The reply, also when it comes before the end; null when the connection broke without one. */
  readonly reply: Promise<FormReply | null>;
  /** Hangs up. */
  abort(): void;
}

const BOUNDARY = 'darkroom-test-boundary';

/** Opens `POST url` with `fields` sent and the file part `image` begun. */
export function openForm(url: string, fields: Readonly<Record<string, string>>, key: string | null = null): OpenForm {
  const request = startRequest(url, {
    method: 'POST',
    headers: {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    },
  });
  const reply = new Promise<FormReply | null>((resolve) => {
    let hasAnswered = false;
    request.once('response', (response) => {
      hasAnswered = true;
      void readReply(response).then(resolve, () => resolve(null));
    });
    request.on('error', () => undefined); // a server that answers early may hang up while we still send
    request.once('close', () => {
      if (!hasAnswered) resolve(null);
    });
  });
  const texts = Object.entries(fields).map(([name, value]) => part(`name="${name}"`, value));
  request.write(
    `${texts.join('')}${part('name="image"; filename="a.png"\r\nContent-Type: image/png', '').slice(0, -2)}`,
  );
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        request.write(bytes, () => resolve());
      }),
    end: () => void request.end(`\r\n--${BOUNDARY}--\r\n`),
    reply,
    abort: () => void request.destroy(),
  };
}

function part(disposition: string, value: string): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`;
}

async function readReply(response: IncomingMessage): Promise<FormReply> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = JSON.parse(Buffer.concat(chunks).toString()) as { error?: FormReply['error'] };
  return { status: response.statusCode ?? 0, error: body.error ?? null };
}

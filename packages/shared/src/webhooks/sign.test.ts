import { randomBytes } from 'node:crypto';
import OpenAI from 'openai';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { parseSecret } from './secrets.ts';
import { signatureHeaders } from './sign.ts';

const written = (bytes: number): string => `whsec_${randomBytes(bytes).toString('base64')}`;
const parsed = (text: string): Buffer => {
  const result = parseSecret(text);
  if (!result.ok) throw new Error(result.problem);
  return result.secret;
};

const id = 'evt_01kb4xwqf7c0v3m8r5y2d9tz6n_1_4';
const body = JSON.stringify({ id, object: 'event', type: 'job.completed', data: { prompt: 'Zoë 🐈' } });
const now = (): number => Math.floor(Date.now() / 1_000);

describe('a signature', () => {
  test.each([24, 32, 64])('with a secret of %i bytes is accepted by standardwebhooks and by openai', async (bytes) => {
    const secret = written(bytes);
    const headers = signatureHeaders([parsed(secret)], { id, timestampSeconds: now(), body });
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({ type: 'job.completed' });
    const client = new OpenAI({ apiKey: 'none', webhookSecret: secret });
    expect(await client.webhooks.unwrap(body, headers)).toMatchObject({ id });
  });

  test('with two secrets is accepted by holders of either, while rotating', async () => {
    const [old, fresh, stranger] = [written(32), written(32), written(32)];
    const headers = signatureHeaders([parsed(old), parsed(fresh)], { id, timestampSeconds: now(), body });
    for (const secret of [old, fresh]) {
      expect(new Webhook(secret).verify(body, headers)).toMatchObject({ id });
      expect(await new OpenAI({ apiKey: 'none' }).webhooks.unwrap(body, headers, secret)).toMatchObject({ id });
    }
    expect(() => new Webhook(stranger).verify(body, headers)).toThrow(WebhookVerificationError);
  });

  test('does not fit another body, id or time', () => {
    const secret = written(32);
    const headers = signatureHeaders([parsed(secret)], { id, timestampSeconds: now(), body });
    const webhook = new Webhook(secret);
    expect(() => webhook.verify(`${body} `, headers)).toThrow(WebhookVerificationError);
    expect(() => webhook.verify(body, { ...headers, 'webhook-id': `${id}1` })).toThrow(WebhookVerificationError);
    const later = String(now() + 1);
    expect(() => webhook.verify(body, { ...headers, 'webhook-timestamp': later })).toThrow(WebhookVerificationError);
    const old = signatureHeaders([parsed(secret)], { id, timestampSeconds: now() - 301, body });
    expect(() => webhook.verify(body, old)).toThrow(WebhookVerificationError);
  });

  test('is never made without a secret, nor for an id that could be shifted', () => {
    expect(() => signatureHeaders([], { id, timestampSeconds: 1, body })).toThrow(TypeError);
    expect(() => signatureHeaders([randomBytes(24)], { id: 'a.b', timestampSeconds: 1, body })).toThrow(TypeError);
  });
});

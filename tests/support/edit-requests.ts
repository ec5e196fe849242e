// Jobs with input images as callers send them, and where to find what they made the upstream do.
import { toFile } from 'openai';
import type { Job } from './api.ts';
import type { LedgerRequest } from './simulator.ts';
import type { TestStack } from './stack.ts';

type Input = Readonly<Record<string, unknown>>;

/** A body of `POST /v1/jobs`; cheap unless told otherwise. */
export function editOf(input: Input, extra: Input = {}): Input {
  const cheap = { model: 'gpt-image-2', size: '1024x1024', quality: 'low' };
  return { operation: 'edit', input: { ...cheap, ...input }, ...extra };
}

export function variationOf(input: Input, extra: Input = {}): Input {
  return { operation: 'variation', input: { model: 'dall-e-2', size: '1024x1024', ...input }, ...extra };
}

/** Throws unless the answer is 202. */
export async function submitWith(stack: TestStack, body: Input): Promise<Job> {
  const reply = await stack.api.request('POST', '/v1/jobs', { body });
  if (reply.status !== 202) throw new Error(`expected 202, got ${reply.status}: ${reply.text}`);
  return reply.json as Job;
}

/** Submits and waits for the end. */
export async function runWith(stack: TestStack, body: Input): Promise<Job> {
  return stack.api.ended((await submitWith(stack, body)).id);
}

/** The id of a new file of purpose `vision`. */
export async function uploadVision({ openai }: Pick<TestStack, 'openai'>, bytes: Buffer): Promise<string> {
  const file = await toFile(bytes, 'picture.png', { type: 'image/png' });
  return (await openai.files.create({ file, purpose: 'vision' })).id;
}

/** The upstream's requests with this prompt: how cases that run side by side tell theirs apart. */
export async function requestsOf({ simulator }: TestStack, prompt: string): Promise<LedgerRequest[]> {
  return (await simulator.ledger()).requests.filter((row) => row.prompt === prompt);
}

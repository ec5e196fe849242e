// The first promise, as a test of one request sees it: one job, one call, one image paid for, and that image in the
// caller's hands.
import { expect } from 'vitest';
import type { Job } from './api.ts';
import { booksOfPrompt } from './books.ts';
import { type Got, picturesOf } from './decode.ts';
import type { TestStack } from './stack.ts';

/** Of all accounts' newest hundred jobs only those of the stack's own key are seen. */
export async function jobsOf({ api }: Pick<TestStack, 'api'>, prompt: string): Promise<Job[]> {
  const { data } = await api.list('?limit=100');
  return data.filter(({ input }) => input['prompt'] === prompt);
}

/** `prompt`: as the upstream gets it. */
export async function expectOnePurchase(
  stack: Pick<TestStack, 'api' | 'simulator'>,
  prompt: string,
  reply: { readonly data?: readonly Got[] },
): Promise<void> {
  const { requests, images } = await booksOfPrompt(stack, prompt);
  expect([requests.length, images.length]).toEqual([1, 1]);
  expect(await picturesOf(reply.data)).toMatchObject([{ id: images[0]?.id }]);
}

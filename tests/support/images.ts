// What must hold of every image a job lists, however it came to be.
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Job } from './api.ts';
import type { TestStack } from './stack.ts';

/** Every image of the job was paid for, and the bytes behind its link are what its record says. */
export async function expectImagesToBeWhole(stack: TestStack, job: Job): Promise<void> {
  const paid = new Set((await stack.simulator.ledger()).images.map((image) => image.sha256));
  for (const image of job.images) {
    const bytes = await stack.api.bytes(image);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(image.sha256);
    expect(bytes.length).toBe(image.bytes);
    expect(paid).toContain(image.sha256);
  }
}

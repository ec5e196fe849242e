// A pipeline as one answer.
import type { ChainableCommander } from 'ioredis';

/** The replies in order; throws the first error. */
export async function repliesOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = (await pipeline.exec()) ?? [];
  return replies.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}

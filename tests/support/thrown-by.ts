// The error OpenAI's SDK throws for a call; anything else fails the test.
import { APIError } from 'openai';

export async function thrownBy(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error('the call succeeded');
}

import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

it.each([
  ['/v1/jobs', 52_428_800],
  ['/v1/images/generations', 1_048_576],
  ['/v1/images/edits', 52_428_800],
  ['/v1/batches', 16_777_216],
])('the refusal of a body too large for %s reaches clients that send on', async (path, limitBytes) => {
  const body = `{"a":"${'x'.repeat(58_000_000)}"}`;
  const replies = await Promise.all(Array.from({ length: 8 }, () => api.post(path, body)));
  for (const { status, json } of replies) {
    expect([status, json.error.message]).toEqual([413, `The request body is larger than ${limitBytes} bytes.`]);
  }
});

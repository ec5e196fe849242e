import { expect, it } from 'vitest';
import { get } from './get.ts';

/** Fails with these codes, one each time, then answers. */
function failing(...codes: string[]): { send: () => Promise<Response>; asked: () => number } {
  let asked = 0;
  const send = async (): Promise<Response> => {
    asked += 1;
    const code = codes.shift();
    if (code === undefined) return new Response('yes');
    throw new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) });
  };
  return { send, asked: () => asked };
}

it('is asked once more when the kept connection was just closed', async () => {
  const { send, asked } = failing('UND_ERR_SOCKET');
  expect(await (await get('http://x', {}, send)).text()).toBe('yes');
  expect(asked()).toBe(2);
});

it.each([
  ['a connection that is closed again', ['UND_ERR_SOCKET', 'UND_ERR_SOCKET'], 2],
  ['a server that is not there', ['ECONNREFUSED'], 1],
] as const)('fails with %s', async (_, codes, times) => {
  const { send, asked } = failing(...codes);
  await expect(get('http://x', {}, send)).rejects.toThrow('fetch failed');
  expect(asked()).toBe(times);
});

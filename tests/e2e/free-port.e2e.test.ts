// Many processes start servers at once, and kill some to start them again at their ports.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const PROCESSES = 20;
/** Each: more than a block of them, so that the processes reach for their next ones side by side. */
const PORTS = 150;
const FREE_PORT = fileURLToPath(new URL('../../packages/simulator/src/http/free-port.ts', import.meta.url));

/** Listens at none of its ports, as one whose servers are down, and ends when its input does. */
const TAKE = `
  const { findQuietPort } = await import(${JSON.stringify(FREE_PORT)});
  const ports = [];
  for (let count = 0; count < ${PORTS}; count += 1) ports.push(await findQuietPort());
  console.log(JSON.stringify(ports));
  process.stdin.resume();
`;

test('no two living processes are given the same port, though nobody listens at it', async () => {
  const started = Array.from({ length: PROCESSES }, () =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', TAKE]),
  );
  const lines = started.map(({ child }) => new Promise<string>((resolve) => child.stdout?.once('data', resolve)));
  // One that ends by itself has said nothing, and rejects with why.
  const said = await Promise.race([Promise.all(lines), Promise.all(started).then(() => [])]);
  for (const { child } of started) child.stdin?.end();
  await Promise.all(started);
  const ports = said.flatMap((line) => JSON.parse(line) as number[]);
  expect(ports).toHaveLength(PROCESSES * PORTS);
  expect(new Set(ports).size).toBe(ports.length);
});

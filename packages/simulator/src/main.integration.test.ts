import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, ended: once(child, 'close'), output: () => output };
}

describe('the command line', () => {
  test.each([
    ['upstream', 'SIGTERM', {}],
    ['s3', 'SIGINT', {}],
    ['receiver', 'SIGTERM', { SIM_HOST: '127.0.0.1' }],
  ] as const)('%s listens, says where, and leaves cleanly on %s', async (name, signal, env) => {
    const { child, ended, output } = run([name, '--port', '0'], env);
    await expect.poll(output, { timeout: 20_000 }).toMatch(/^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
    const reply = await fetch(`${output().slice('listening on '.length).trim()}/_sim/health`);
    expect(await reply.json()).toEqual({ ok: true });
    child.kill(signal);
    expect(await ended).toEqual([0, null]);
  });

  test('flags and environment reach the server', async () => {
    const flags = [
      '--limits',
      '{"gpt-image-2":{"images_per_minute":5}}',
      '--reality',
      'everything',
      '--latency-scale',
      '0',
    ];
    const { child, ended, output } = run(flags, { SIM_RENDERING: 'fast', SIM_PORT: '0' });
    await expect.poll(output, { timeout: 20_000 }).toMatch(/listening on/);
    const reply = await fetch(`${output().slice('listening on '.length).trim()}/_sim/settings`);
    expect(await reply.json()).toMatchObject({
      reality: 'everything',
      rendering: 'fast',
      latencyScale: 0,
      limits: { 'gpt-image-2': { images_per_minute: 5 } },
    });
    child.kill();
    await ended;
  });

  test.each([
    [['--help'], 0, /Usage: node/],
    [['nonsense'], 2, /unknown server 'nonsense'; servers: upstream, s3, receiver/],
    [['--reality', 'x'], 2, /reality must be today or everything/],
    [['--nonsense'], 2, /Unknown option '--nonsense'/],
    [['--limits', '{'], 2, /JSON/],
  ])('%j ends with %i', async (args, code, message) => {
    const { ended, output } = run(args);
    expect(await ended).toEqual([code, null]);
    expect(output()).toMatch(message);
  });
});

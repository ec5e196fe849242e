import { describe, expect, it } from 'vitest';
import { createLogger, type LoggerOptions } from './logger.ts';

/** A logger and the lines it wrote, parsed. */
function logTo(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const logger = createLogger({
    name: 'test',
    level: 'trace',
    destination: { write: (line) => void lines.push(line) },
    ...options,
  });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('createLogger', () => {
  it('writes one JSON line with name, level and ISO time', () => {
    const { logger, lines, last } = logTo();
    logger.info({ jobId: 'job_1' }, 'hello');
    expect(lines).toHaveLength(1);
    expect(last()).toMatchObject({ name: 'test', level: 'info', jobId: 'job_1', msg: 'hello' });
    expect(last()['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('writes nothing below its level', () => {
    const { logger, lines } = logTo({ level: 'warn' });
    logger.info('quiet');
    expect(lines).toEqual([]);
  });

  it.each(['authorization', 'apiKey', 'secret', 'password', 'token', 'b64_json'])(
    'hides %s at any of three depths',
    (field) => {
      const { logger, lines } = logTo();
      logger.info({ [field]: 'hush', a: { [field]: 'hush', b: { [field]: 'hush' } } });
      expect(lines.join('')).not.toContain('hush');
    },
  );

  it('hides prompts unless told otherwise', () => {
    const hidden = logTo();
    hidden.logger.info({ prompt: 'a cat', input: { prompt: 'a cat' } });
    expect(hidden.lines.join('')).not.toContain('a cat');
    const shown = logTo({ logPrompts: true });
    shown.logger.info({ prompt: 'a cat' });
    expect(shown.last()['prompt']).toBe('a cat');
  });

  it('logs of an error no more than what describes it, causes included', () => {
    const { logger, lines, last } = logTo();
    const cause = Object.assign(new Error('reply was sk-aaaaaaaaaaaa'), {
      body: 'IMAGE BYTES',
      command: { args: ['PROMPT'] },
    });
    logger.error(
      { err: Object.assign(new Error('failed', { cause }), { code: 'E1', status: 502, response: 'BODY' }) },
      'x',
    );
    expect(lines.join('')).not.toMatch(/IMAGE BYTES|PROMPT|BODY|sk-aaaa/);
    expect(last()['err']).toMatchObject({
      type: 'Error',
      message: 'failed',
      code: 'E1',
      status: 502,
      cause: { message: 'reply was sk-[redacted]' },
    });
  });

  it('redacts the fields of child loggers too', () => {
    const { logger, lines } = logTo();
    logger.child({ url: 'redis://:hunter2@h:1' }).info('x');
    expect(lines.join('')).not.toContain('hunter2');
  });
});

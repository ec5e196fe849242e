import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redactLine } from './redact.ts';

const SECRETS: readonly (readonly [what: string, secret: string, line: (secret: string) => string])[] = [
  ['an OpenAI key', 'sk-proj-Ab12Cd34Ef56', (secret) => `using ${secret} for the call`],
  ['a Darkroom key', 'dk_0123456789abcdef', (secret) => JSON.stringify({ key: secret })],
  ['a webhook secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', (secret) => `secret=${secret}`],
  ['an AWS key id', 'AKIAIOSFODNN7EXAMPLE', (secret) => JSON.stringify({ cause: { message: `denied for ${secret}` } })],
  ['a bearer token', 'abc.def-ghi', (secret) => JSON.stringify({ h: `Authorization: Bearer ${secret}` })],
  ['a presigned signature', 'f00dfeed', (secret) => `GET https://b.s3/x?X-Amz-Signature=${secret}&x=1`],
  ['a presigned credential', 'KEYID%2F20261122', (secret) => `https://b.s3/x?a=1&X-Amz-Credential=${secret}`],
  ['a session token', 'IQoJb3JpZ2lu', (secret) => `https://b.s3/x?X-Amz-Security-Token=${secret}"`],
  [
    'our own signature',
    'Zm9vYmFy_-x',
    (secret) => JSON.stringify({ url: `http://h/v1/images/i/content?exp=1&sig=${secret}` }),
  ],
  ['a Redis password', 'hunter2', (secret) => `connect ECONNREFUSED redis://user:${secret}@cache:6379`],
  ['a TLS Redis password', 'hunter2', (secret) => `rediss://:${secret}@cache:6379/1`],
];

describe('redactLine', () => {
  it.each(SECRETS)('takes out %s', (_what, secret, line) => {
    expect(line(secret)).toContain(secret);
    expect(redactLine(line(secret))).not.toContain(secret);
  });

  it('replaces a run of base64 by its length', () => {
    const bytes = Buffer.alloc(600, 'x').toString('base64');
    expect(redactLine(`{"b64_json":"${bytes}"}`)).toBe(`{"b64_json":"[base64 ${bytes.length}]"}`);
  });

  it('keeps what is not secret', () => {
    const line = JSON.stringify({
      requestId: 'req_01kb4xwqf7c0v3m8r5y2d9tz6n',
      jobId: 'job_01kb4xwqf7c0v3m8r5y2d9tz6n',
      sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      msg: 'redis: appendonly is off; task-based risk assessment of redis://cache:6379',
    });
    expect(redactLine(line)).toBe(line);
  });

  it('leaves any JSON line JSON', () => {
    const secret = fc.constantFrom(...SECRETS.map(([, secret, line]) => line(secret)));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), secret)), (fields) => {
        expect(() => JSON.parse(redactLine(JSON.stringify(fields)))).not.toThrow();
      }),
    );
  });
});

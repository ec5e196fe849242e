// Whether `npm start` and the demo take the environment for one where images cost money.
import { upstreamFromEnvironment } from '@darkroom/dev/service.ts';
import { expect, test } from 'vitest';

test.each([
  [{ OPENAI_API_KEY: 'sk-x' }],
  [{ OPENAI_BASE_URL: 'https://images.example/v1' }],
  [{ OPENAI_KEYS_FILE: 'keys.json' }],
])('%o names an upstream: no simulator stands in, and nobody is told that images cost nothing', (env) => {
  expect(upstreamFromEnvironment(env)).not.toBeNull();
});

test('without any of them, or with empty ones, the simulator stands in', () => {
  expect(upstreamFromEnvironment({})).toBeNull();
  expect(upstreamFromEnvironment({ OPENAI_API_KEY: '', OPENAI_BASE_URL: '', OPENAI_KEYS_FILE: '' })).toBeNull();
});

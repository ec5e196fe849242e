// Nothing a caller entrusts to us turns up where it has no business: plants texts that can be recognised, walks every
// route with them, then looks through the log, Redis and the error replies.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob } from './testing/finish-job.ts';
import { GENERATION, PUBLIC_URL, SHOP_KEY, startApi, type TestApi } from './testing/start-api.ts';

const PROMPT = 'canary-prompt-of-a-private-party';
const CANARIES = {
  prompt: PROMPT,
  apiKey: SHOP_KEY,
  wrongKey: 'dk_canary_0123456789abcdef',
  adminKey: 'canary-admin-0123456789',
  signingSecret: 'canary-signing-secret-0123456789abcdef',
  idempotencyKey: 'canary-idempotency-key',
  metadata: 'canary-metadata',
  query: 'canary-query',
};
const SUBMISSION = {
  ...GENERATION,
  input: { ...GENERATION.input, prompt: PROMPT },
  metadata: { note: CANARIES.metadata },
};

let api: TestApi;
let jobId: string;
let signature: string;
const errorBodies: string[] = [];

beforeAll(async () => {
  api = await startApi({ ADMIN_KEY: CANARIES.adminKey, SIGNING_SECRET: CANARIES.signingSecret });
  const headers = { 'idempotency-key': CANARIES.idempotencyKey };
  jobId = (await api.post('/v1/jobs', SUBMISSION, headers)).json.id;
  await completeJob(api.deps, jobId);
  const image = (await api.ask(`/v1/jobs/${jobId}`)).json.images[0];
  signature = new URL(image.url).searchParams.get('sig') ?? '';
  await fetch(image.url.replace(PUBLIC_URL, api.url));
  const refused = [
    await api.post('/v1/jobs', { ...SUBMISSION, input: { ...SUBMISSION.input, n: 99, size: 'x' } }),
    await api.post('/v1/jobs', { ...SUBMISSION, priority: 'low' }, headers),
    await api.post('/v1/jobs', `{"prompt": "${PROMPT}`),
    await api.post('/v1/jobs', JSON.stringify({ prompt: PROMPT.repeat(40_000) })),
    await api.ask('/v1/jobs', { headers: { authorization: `Bearer ${CANARIES.wrongKey}` } }),
    await api.ask('/metrics'),
    await api.ask(`/v1/jobs?metadata[x]=${CANARIES.query}&limit=0`),
    await api.ask(`/v1/nowhere?x=${CANARIES.query}`),
    await api.ask(`/v1/images/${image.id}/content?exp=1&sig=${signature}`),
  ];
  for (const { status, text } of refused) {
    expect(status).toBeGreaterThanOrEqual(400);
    errorBodies.push(text);
  }
  await api.deps.redis.hset(api.deps.keys.job('job_01kb4xwqf7c0v3m8r5y2d9tz6n'), {
    state: '{}',
    spec: `{"prompt":"${PROMPT}`,
  });
  errorBodies.push((await api.ask('/v1/jobs/job_01kb4xwqf7c0v3m8r5y2d9tz6n')).text);
  await api.deps.redis.del(api.deps.keys.job('job_01kb4xwqf7c0v3m8r5y2d9tz6n'));
});
afterAll(() => api.close());

describe.each(Object.entries(CANARIES))('the %s', (_name, canary) => {
  it('is in no line of the log', () => {
    expect(api.lines.length).toBeGreaterThan(10);
    expect(api.lines.filter((line) => line.includes(canary))).toEqual([]);
  });

  it('is in no error reply', () => {
    expect(errorBodies.filter((body) => body.includes(canary))).toEqual([]);
  });

  it("is in Redis in no key but the job's own", async () => {
    const found: string[] = [];
    for (const key of await api.redis.redis.keys(`*{${api.redis.prefix}}*`)) {
      const value = (await api.redis.redis.dumpBuffer(key))?.toString('latin1') ?? '';
      if (key !== api.deps.keys.job(jobId) && (key.includes(canary) || value.includes(canary))) found.push(key);
    }
    expect(found).toEqual([]);
  });
});

it('the signature of a link is in no line of the log', () => {
  expect(signature.length).toBeGreaterThan(20);
  expect(api.lines.filter((line) => line.includes(signature))).toEqual([]);
});

it('prompts are logged when the operator says so', async () => {
  const talkative = await startApi({ LOG_PROMPTS: 'true' });
  await talkative.post('/v1/jobs', SUBMISSION);
  const found = talkative.lines.some((line) => line.includes(PROMPT));
  await talkative.close();
  expect(found).toBe(true);
});

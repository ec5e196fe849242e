import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GENERATION, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIATEST');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  api = await startApi({
    STORAGE_URL: 's3://bucket/prefix/',
    AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1',
    S3_FORCE_PATH_STYLE: 'true',
  });
});
afterAll(async () => {
  await api.close();
  vi.unstubAllEnvs();
});

async function makeImage(contentType: string): Promise<string> {
  const { json } = await api.post('/v1/jobs', GENERATION);
  const image = {
    index: 0,
    key: `images/shop/${json.id}/0.png`,
    contentType,
    bytes: 3,
    width: 1,
    height: 1,
    sha256: 'abc',
    revisedPrompt: null,
  };
  await finishAttempt(api.deps.submit.steps, {
    jobId: json.id,
    call: 0,
    seq: 0,
    outcome: 'succeeded',
    facts: {},
    count: '',
    isFinal: false,
    error: null,
    images: [image],
    callImages: [0],
  });
  return `${json.id.replace('job_', 'img_')}_0`;
}

describe('an image in S3', () => {
  it.each([
    ['image/png', 'inline'],
    ['image/svg+xml', 'attachment'],
  ])('%s is handed over as %s by a link that holds for 5 minutes', async (type, disposition) => {
    const id = await makeImage(type);
    const { status, headers } = await api.ask(`/v1/images/${id}/content`);
    const { pathname, searchParams } = new URL(headers.get('location') ?? '');
    expect([status, headers.get('cache-control')]).toEqual([302, 'no-store']);
    expect(pathname).toBe(`/bucket/prefix/images/shop/${id.replace('img_', 'job_').slice(0, -2)}/0.png`);
    expect(searchParams.get('X-Amz-Expires')).toBe('300');
    expect(searchParams.get('response-content-type')).toBe(type);
    expect(searchParams.get('response-content-disposition')).toMatch(new RegExp(`^${disposition}; filename="${id}\\.`));
  });

  it('is 304 for the etag already held, without a link', async () => {
    const id = await makeImage('image/png');
    const { status, headers } = await api.ask(`/v1/images/${id}/content`, { headers: { 'if-none-match': '"abc"' } });
    expect([status, headers.get('location')]).toEqual([304, null]);
  });
});

describe('readiness with S3 away', () => {
  it('is 503', async () => {
    expect((await api.ask('/readyz')).status).toBe(503);
  });
});

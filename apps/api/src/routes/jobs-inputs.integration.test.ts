import { createHash } from 'node:crypto';
import { canvas, withAlpha } from '@darkroom/shared/inputs/test-images.ts';
import { dryRunSchema, jobSchema } from '@darkroom/shared/requests/schemas.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, failJob } from '../testing/finish-job.ts';
import { type Json, startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
let [png, mask]: [Buffer, Buffer] = [] as never;
beforeAll(async () => {
  api = await startApi();
  png = await canvas(64, 64).png().toBuffer();
  mask = await withAlpha(
    64,
    64,
    Array.from({ length: 4_096 }, (_, at) => (at < 2_048 ? 0 : 255)),
  );
});
afterAll(() => api.close());

const dataUrl = (bytes: Buffer): string => `data:image/png;base64,${bytes.toString('base64')}`;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const edit = (input: object = {}) => ({
  operation: 'edit',
  input: { model: 'gpt-image-2', prompt: 'in winter', images: [{ image_url: dataUrl(png) }], ...input },
});
const storedInputs = (): Promise<string[]> => Array.fromAsync(api.deps.store.list('inputs/'));
const untilOf = async (bytes: Buffer): Promise<number> =>
  Number(await api.deps.redis.zscore(api.deps.keys.inputs, `shop/${sha256(bytes)}`));

describe('a job with input images', () => {
  it('is planned without keeping anything', async () => {
    const { status, json } = await api.post('/v1/jobs', { ...edit({ n: 2 }), dry_run: true });
    expect([status, dryRunSchema.parse(json)]).toEqual([200, json]);
    expect(json.body.images).toEqual([expect.objectContaining({ sha256: sha256(png), width: 64 })]);
    expect(await storedInputs()).toEqual([]);
  });

  it('is refused with every problem of its images, and keeps nothing', async () => {
    const images = [{ image_url: dataUrl(Buffer.from('%PDF-1.7')) }, { file_id: 'file-01kb4xwqf7c0v3m8r5y2d9tz6n' }];
    const { status, json } = await api.post('/v1/jobs', edit({ images }));
    const params = json.error.details.map(({ param }: Json) => param);
    expect([status, params]).toEqual([400, ['input.images[0].image_url', 'input.images[1].file_id']]);
    expect(await storedInputs()).toEqual([]);
  });

  it('is recorded after its images are in storage', async () => {
    const { status, json } = await api.post('/v1/jobs', edit({ mask: { image_url: dataUrl(mask) } }));
    expect([status, jobSchema.parse(json)]).toEqual([202, json]);
    const ref = { content_type: 'image/png', width: 64, height: 64 };
    expect(json.input).toMatchObject({
      images: [{ ...ref, sha256: sha256(png), bytes: png.length }],
      mask: { ...ref, sha256: sha256(mask), bytes: mask.length },
    });
    expect(await storedInputs()).toEqual([sha256(mask), sha256(png)].sort().map((name) => `inputs/shop/${name}`));
    expect(await untilOf(png)).toBeGreaterThan(Date.now() + api.deps.config.JOB_RETENTION);
  });

  it('varies an image', async () => {
    const { json } = await api.post('/v1/jobs', {
      operation: 'variation',
      input: { images: [{ image_url: dataUrl(png) }] },
    });
    expect(json).toMatchObject({ operation: 'variation', requested_model: null, input: { images: [{ width: 64 }] } });
  });

  it('takes several images of many MB in one body', async () => {
    const { width, height } = { width: 2_600, height: 2_600 };
    const large = await canvas(width, height).png({ compressionLevel: 0 }).toBuffer();
    const url = dataUrl(large.subarray(0, large.length));
    expect(url.length).toBeGreaterThan(20_000_000);
    const tooLong = await api.post('/v1/jobs', edit({ images: [{ image_url: url }] }));
    expect([tooLong.status, tooLong.json.error.param]).toEqual([400, 'input.images[0].image_url']);
    const small = dataUrl(await canvas(1_500, 1_500).png({ compressionLevel: 0 }).toBuffer());
    const { status, json } = await api.post(
      '/v1/jobs',
      edit({ images: Array.from({ length: 4 }, () => ({ image_url: small })) }),
    );
    expect([status, json.input.images.length]).toEqual([202, 4]);
  });
});

describe('the retry of a job with input images', () => {
  it('keeps them for as long as it may need them', async () => {
    const { json } = await api.post('/v1/jobs', edit({ prompt: 'once more' }));
    await failJob(api.deps, json.id);
    await api.deps.redis.zadd(api.deps.keys.inputs, Date.now() + 5_000, `shop/${sha256(png)}`);
    expect((await api.post(`/v1/jobs/${json.id}/retry`)).status).toBe(202);
    expect(await untilOf(png)).toBeGreaterThan(Date.now() + api.deps.config.JOB_RETENTION);
  });

  it('is refused when one is gone, and says so', async () => {
    const gone = await canvas(20, 20).png().toBuffer();
    const { json } = await api.post('/v1/jobs', edit({ images: [{ image_url: dataUrl(gone) }] }));
    await failJob(api.deps, json.id);
    await api.deps.store.delete(`inputs/shop/${sha256(gone)}`);
    const refused = await api.post(`/v1/jobs/${json.id}/retry`);
    expect([refused.status, refused.json.error.code]).toEqual([409, 'input_lost']);
    expect((await api.ask(`/v1/jobs/${json.id}`)).json.status).toBe('failed');
  });

  it('has nothing to do with them when every image is there', async () => {
    const { json } = await api.post('/v1/jobs', edit({ prompt: 'done' }));
    await completeJob(api.deps, json.id);
    expect((await api.post(`/v1/jobs/${json.id}/retry`)).json.error.code).toBe('nothing_to_retry');
  });
});

describe('an idempotency key', () => {
  it('is replayed before a link is asked for', async () => {
    const key = { 'idempotency-key': 'link' };
    const first = await api.post('/v1/jobs', edit(), key);
    await api.deps.store.delete(`inputs/shop/${sha256(png)}`);
    const again = await api.post('/v1/jobs', edit(), key);
    expect([again.headers.get('idempotent-replayed'), again.json.id]).toEqual(['true', first.json.id]);
    // Nothing was taken in for it.
    expect(await api.deps.store.head(`inputs/shop/${sha256(png)}`)).toBeNull();
  });
});

import { createHash } from 'node:crypto';
import { canvas, withAlpha } from '@darkroom/shared/inputs/test-images.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, failJob, newestJob } from '../testing/finish-job.ts';
import { SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

const PICTURE = Buffer.from('not really a picture');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

let api: TestApi;
let openai: OpenAI;
let [png, webp, mask]: [Buffer, Buffer, Buffer] = [] as never;
let jobs = 0;

beforeAll(async () => {
  api = await startApi();
  openai = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: SHOP_KEY });
  [png, webp] = await Promise.all([canvas(64, 64).png().toBuffer(), canvas(48, 32).webp().toBuffer()]);
  mask = await withAlpha(
    64,
    64,
    Array.from({ length: 4_096 }, (_, at) => (at < 2_048 ? 0 : 255)),
  );
});
afterAll(() => api.close());

/** A call of the SDK whose job ends well; its reply, and the job's upstream body. */
async function finish(reply: Promise<OpenAI.ImagesResponse>) {
  const id = await newestJob(api.deps, (jobs += 1));
  await completeJob(api.deps, id, PICTURE);
  const record = await readJob(api.deps.redis, api.deps.keys, id);
  const { images = [], ...body } = (record?.spec.body ?? {}) as { images?: { sha256: string }[] } & Record<
    string,
    unknown
  >;
  return { reply: await reply, body, images: images.map((image) => image.sha256) };
}

const file = (bytes: Buffer, name = 'a.png', type = 'image/png') => toFile(bytes, name, { type });

describe('OpenAI’s SDK', () => {
  it('generates', async () => {
    const { reply } = await finish(openai.images.generate({ model: 'gpt-image-2', prompt: 'a cat', n: 2 }));
    expect(reply.data?.map(({ b64_json }) => b64_json)).toEqual([1, 2].map(() => PICTURE.toString('base64')));
  });

  it('edits one file', async () => {
    const { reply, images } = await finish(
      openai.images.edit({ model: 'gpt-image-2', image: await file(png), prompt: 'x', n: 3, quality: 'low' }),
    );
    expect([reply.data?.length, images]).toEqual([3, [sha256(png)]]);
  });

  it('edits several files of different types with a mask', async () => {
    const image = [await file(png), await file(webp, 'b.webp', 'image/webp')];
    const params = {
      model: 'gpt-image-2',
      image,
      mask: await file(mask),
      prompt: 'x',
      output_compression: 50,
    } as const;
    const { images, body } = await finish(openai.images.edit({ ...params, output_format: 'webp' }));
    expect(images).toEqual([sha256(png), sha256(webp)]);
    expect(body).toMatchObject({ mask: { sha256: sha256(mask) }, output_compression: 50, output_format: 'webp' });
  });

  it('edits a file without a type by what its bytes are', async () => {
    const { images } = await finish(
      openai.images.edit({ model: 'gpt-image-2', image: await toFile(webp, 'b.webp'), prompt: 'x' }),
    );
    expect(images).toEqual([sha256(webp)]);
  });

  it('varies a file, with links in the reply', async () => {
    const { reply, images } = await finish(
      openai.images.createVariation({ image: await file(png), n: 2, size: '256x256' }),
    );
    expect([reply.data?.length, reply.data?.[0]?.url?.startsWith('http'), reply.size]).toEqual([2, true, '256x256']);
    expect(images).toEqual([sha256(png)]);
  });

  it('edits by JSON, with a link that is refused', async () => {
    const post = (image_url: string) =>
      openai.post<OpenAI.ImagesResponse>('/images/edits', {
        body: { model: 'gpt-image-2', prompt: 'x', images: [{ image_url }] },
      });
    const { images } = await finish(post(`data:image/png;base64,${png.toString('base64')}`));
    expect(images).toEqual([sha256(png)]);
    await expect(post('http://127.0.0.1:1/a.png')).rejects.toMatchObject({ status: 400, param: 'images[0].image_url' });
  });

  it('gets a job’s error as its own, once', async () => {
    const reply = openai.images.edit({ model: 'gpt-image-2', image: await file(png), prompt: 'no' });
    const refused = expect(reply).rejects.toMatchObject({ status: 400, code: 'moderation_blocked' });
    await failJob(api.deps, await newestJob(api.deps, (jobs += 1)));
    await refused;
    expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(jobs);
  });

  it('repeats an edit after a time-out, paid once', async () => {
    const impatient = openai.withOptions({ timeout: 700, maxRetries: 5 });
    const { images } = await finish(
      impatient.images.edit({ model: 'gpt-image-2', image: await file(png), prompt: 'slow' }),
    );
    expect(images).toEqual([sha256(png)]);
    expect(await api.deps.redis.zcard(api.deps.keys.accountJobs('shop'))).toBe(jobs);
  });
});

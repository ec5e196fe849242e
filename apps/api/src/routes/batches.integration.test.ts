import { hasBatchEnded } from '@darkroom/shared/batches/record.ts';
import { moveBatch } from '@darkroom/shared/batches/steps.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BATCH, LINES, postForm } from '../testing/forms.ts';
import { startApi, type TestApi } from '../testing/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const CAT = { model: 'gpt-image-2.6-flare', prompt: 'a cat' };
const INLINE = { completion_window: '24h', requests: [{ custom_id: 'a', operation: 'generation', body: CAT }] };

const recordOf = async (id: string) => (await readBatch(api.deps.redis, api.deps.keys, id)) ?? expect.fail();
const files = async () => (await api.ask('/v1/files')).json.data as { id: string; filename: string }[];
const remove = (id: string) => api.ask(`/v1/files/${id}`, { method: 'DELETE' });

/** As a worker would: one of two requests has its image. */
async function end(id: string): Promise<void> {
  const batch = await recordOf(id);
  await moveBatch(api.deps.batchSteps, batch, 'validating', 'in_progress', { total: 2 });
  await moveBatch(api.deps.batchSteps, batch, 'in_progress', 'finalizing', { completed: 1, failed: 1 });
  const written = { outputFileId: 'file-output', errorFileId: 'file-errors' };
  await moveBatch(api.deps.batchSteps, batch, 'finalizing', 'completed', written);
}

async function submitFile(): Promise<{ id: string; fileId: string }> {
  const fileId = (await postForm(api, [LINES, BATCH])).json.id;
  const body = { input_file_id: fileId, endpoint: '/v1/images/generations', completion_window: '24h' };
  return { id: (await api.post('/v1/batches', body)).json.id, fileId };
}

describe('the file of inline requests', () => {
  it('stays while the batch reads it', async () => {
    const { json } = await api.post('/v1/batches', INLINE);
    const [file] = await files();
    const refused = await remove(file?.id ?? '');
    expect([refused.status, refused.json.error.code]).toEqual([409, 'file_in_use']);
    expect(refused.json.error.message).toContain(json.id);
    await end(json.id);
    expect((await remove(file?.id ?? '')).json).toMatchObject({ deleted: true });
  });

  it('is not left behind by a dry run', async () => {
    const before = await files();
    const { status, json } = await api.post('/v1/batches', { ...INLINE, dry_run: true });
    expect([status, json.request_counts]).toEqual([200, { total: 1, valid: 1, invalid: 0 }]);
    expect(await files()).toEqual(before);
  });
});

describe('POST /v1/batches/{id}/retry', () => {
  it('is refused when the input is gone, and the files of the run before stay', async () => {
    const { id, fileId } = await submitFile();
    await end(id);
    await remove(fileId);
    const { status, headers, json } = await api.post(`/v1/batches/${id}/retry`);
    expect([status, json.error.code, headers.get('x-should-retry')]).toEqual([409, 'input_file_gone', 'false']);
    expect((await api.ask(`/v1/batches/${id}`)).json).toMatchObject({
      status: 'completed',
      output_file_id: 'file-output',
    });
  });

  it('names no files while it runs, and those of the run before when it can’t go on', async () => {
    const { id } = await submitFile();
    await end(id);
    const { status, json } = await api.post(`/v1/batches/${id}/retry`);
    expect([status, json.run, json.output_file_id, json.error_file_id]).toEqual([202, 2, null, null]);
    await moveBatch(api.deps.batchSteps, await recordOf(id), 'in_progress', 'failed');
    expect((await api.ask(`/v1/batches/${id}`)).json).toMatchObject({
      status: 'failed',
      output_file_id: 'file-output',
    });
  });

  it('opens no second run for a client’s own retry, nor for the same Idempotency-Key', async () => {
    const { id } = await submitFile();
    await end(id);
    const retry = (headers: Record<string, string>) => api.post(`/v1/batches/${id}/retry`, undefined, headers);
    expect((await retry({ 'x-stainless-retry-count': '0' })).json.run).toBe(2);
    const endAgain = async () => {
      const batch = await recordOf(id);
      await moveBatch(api.deps.batchSteps, batch, 'in_progress', 'completed', { completed: 1, failed: 1 });
      expect(hasBatchEnded(await recordOf(id))).toBe(true);
    };
    await endAgain();
    const joined = await retry({ 'x-stainless-retry-count': '1' });
    expect([joined.status, joined.json.run, joined.headers.get('x-darkroom-joined')]).toEqual([202, 2, 'true']);
    const key = { 'idempotency-key': `retry-${id}` };
    expect((await retry(key)).json.run).toBe(3);
    await endAgain();
    const replayed = await retry(key);
    expect([replayed.json.run, replayed.headers.get('idempotent-replayed')]).toEqual([3, 'true']);
  });

  it('moves no batch of another run', async () => {
    const { id } = await submitFile();
    await end(id);
    const before = await recordOf(id);
    await api.post(`/v1/batches/${id}/retry`);
    expect(await moveBatch(api.deps.batchSteps, before, 'in_progress', 'completed')).toBe(false);
    expect((await recordOf(id)).status).toBe('in_progress');
  });
});

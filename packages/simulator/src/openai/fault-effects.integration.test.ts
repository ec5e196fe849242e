import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FAULT_KINDS } from './fault-kinds.ts';
import { KEY, type Kit, startKit } from './test-kit.ts';

let kit: Kit;
beforeAll(async () => {
  kit = await startKit({ reality: 'everything' });
});
afterAll(() => kit.close());
beforeEach(() => kit.reset());

const generate = (body: Record<string, unknown> = {}) =>
  kit.post('/v1/images/generations', { model: 'gpt-image-2', prompt: 'a cat', n: 2, ...body });

describe('connections', () => {
  test.each([
    ['reset_before_work', {}, 0, 'reset'],
    ['reset_after_work', {}, 2, 'reset'],
    ['reset_after_work', { billed: false }, 0, 'reset'],
    ['truncated_body', {}, 2, 'truncated'],
  ])('%s %j cuts the connection and bills %i', async (kind, params, billed, outcome) => {
    await kit.fault({ kind, params, count: 1 });
    await expect(generate().then((reply) => reply.text())).rejects.toThrow(/fetch failed|terminated/);
    await expect.poll(async () => (await kit.ledger()).requests[0]).toMatchObject({ outcome, billedImages: billed });
    expect((await kit.ledger()).images).toHaveLength(billed);
  });

  /** The body, as far as it comes. */
  async function readCut(response: Response): Promise<string> {
    let text = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
    } catch {
      return text;
    }
    return expect.fail('the body came whole');
  }

  test.each([
    ['gpt-image-2', 0],
    ['gpt-image-2', 1],
    ['gpt-image-2', 3],
    ['dall-e-2', 0],
    ['dall-e-2', 2],
    ['dall-e-2', 3],
  ])('truncated_body of %s cuts the connection when %i of 3 images are whole', async (model, images) => {
    await kit.fault({ kind: 'truncated_body', params: { images }, count: 1 });
    const text = await readCut(await generate({ model, n: 3 }));
    expect([...text.matchAll(/"(b64_json|url)":"[^"]*"/g)]).toHaveLength(images);
    expect((await kit.ledger()).requests[0]).toMatchObject({ outcome: 'truncated', billedImages: 3 });
  });

  test('truncated_body can stand still instead, until the client leaves', async () => {
    await kit.fault({ kind: 'truncated_body', params: { images: 1, stalls: true }, count: 1 });
    const response = await generate();
    expect((await kit.ledger()).requests[0]).toMatchObject({ outcome: 'in_progress', billedImages: 2 });
    await response.body?.cancel();
    await expect.poll(async () => (await kit.ledger()).requests[0]?.outcome).toBe('truncated');
  });

  test.each([
    [{}, 0],
    [{ billed: true }, 2],
  ])('hang %j never answers and bills %i', async (params, billed) => {
    await kit.fault({ kind: 'hang', params, count: 1 });
    const abort = new AbortController();
    const request = kit.client.images.generate({ model: 'gpt-image-2', prompt: 'x', n: 2 }, { signal: abort.signal });
    const gone = expect(request).rejects.toThrow(/abort/i);
    await expect.poll(async () => (await kit.ledger()).images.length).toBe(billed);
    await expect.poll(async () => (await kit.ledger()).requests[0]?.fault).toBe('hang');
    abort.abort();
    await gone;
    await expect
      .poll(async () => (await kit.ledger()).requests[0])
      .toMatchObject({ outcome: 'hung', billedImages: billed });
  });
});

describe('replies without all images', () => {
  test.each([
    [{}, { data: [] }],
    [{ shape: 'empty_entries' }, { data: [{}, {}] }],
    [{ shape: 'no_list' }, {}],
  ])('no_data %j', async (params, body) => {
    await kit.fault({ kind: 'no_data', params });
    const reply = await generate();
    expect(reply.status).toBe(200);
    expect(await reply.json()).toEqual({ created: expect.any(Number), ...body });
    expect((await kit.ledger()).requests[0]).toMatchObject({ outcome: 'failed', billedImages: 2 });
  });

  test.each([
    [{}, 1],
    [{ images: 0 }, 0],
    [{ images: 9 }, 1],
  ])('partial_data %j sends and bills %i of 2', async (params, count) => {
    await kit.fault({ kind: 'partial_data', params });
    const { data } = (await (await generate()).json()) as { data: unknown[] };
    expect(data).toHaveLength(count);
    expect((await kit.ledger()).images).toHaveLength(count);
  });

  test('slow_body comes whole, at the speed asked for', async () => {
    await kit.fault({ kind: 'slow_body', params: { bytesPerSecond: 20_000_000 } });
    const reply = (await (await generate()).json()) as { data: unknown[] };
    expect(reply.data).toHaveLength(2);
  });

  test('latency sets how long the work takes', async () => {
    await kit.fault({ kind: 'latency', params: { ms: 80 } });
    await generate();
    const [row] = (await kit.ledger()).requests;
    expect((row?.endedAt ?? 0) - (row?.at ?? 0)).toBeGreaterThanOrEqual(79);
  });

  test.each([
    [{}, 403],
    [{ status: 404 }, 404],
  ])('dead_link %j gives a link that answers %i', async (params, status) => {
    await kit.fault({ kind: 'dead_link', params });
    const reply = await kit.client.images.generate({ model: 'dall-e-3', prompt: 'x' });
    expect((await fetch(reply.data?.[0]?.url ?? '')).status).toBe(status);
  });

  test('dead_link may end sooner than others, and says so', async () => {
    await kit.fault({ kind: 'dead_link', params: { ttlMs: 20_000 } });
    const reply = await kit.client.images.generate({ model: 'dall-e-3', prompt: 'x' });
    const end = Date.parse(new URL(reply.data?.[0]?.url ?? '').searchParams.get('se') ?? '');
    expect(end - Date.now()).toBeGreaterThan(15_000);
    expect(end - Date.now()).toBeLessThanOrEqual(20_000);
  });
});

describe('which requests a fault hits', () => {
  const statuses = async (count: number, body: Record<string, unknown> = {}) => {
    const seen: number[] = [];
    for (let at = 0; at < count; at += 1) seen.push((await generate(body)).status);
    return seen;
  };

  test('after and count', async () => {
    await kit.fault({ kind: 'overloaded', after: 1, count: 2 });
    expect(await statuses(5)).toEqual([200, 503, 503, 200, 200]);
  });

  test('probability 0 never acts', async () => {
    await kit.fault({ kind: 'overloaded', probability: 0 });
    expect(await statuses(3)).toEqual([200, 200, 200]);
  });

  test.each(['gpt-image-2.5-flare-2026-09-08', 'gpt-image-2.5-flare', 'gpt-image-2.5'])('model %s', async (model) => {
    await kit.fault({ kind: 'overloaded', model });
    expect(await statuses(1, { model: 'gpt-image-2.5-flare-2026-09-08' })).toEqual([503]);
    expect(await statuses(1)).toEqual([200]);
  });

  test('operation', async () => {
    await kit.fault({ kind: 'overloaded', operation: 'edit' });
    expect(await statuses(1)).toEqual([200]);
  });

  test('key, by its last 4 characters', async () => {
    await kit.fault({ kind: 'overloaded', key: KEY.slice(-4) });
    expect(await statuses(1)).toEqual([503]);
    const body = { model: 'gpt-image-2', prompt: 'a cat' };
    const other = await kit.post('/v1/images/generations', body, { authorization: 'Bearer sk-test-0000009999' });
    expect(other.status).toBe(200);
  });

  test('removed one by one or all at once', async () => {
    const id = await kit.fault({ kind: 'overloaded' });
    await kit.fault({ kind: 'slow_down' });
    expect((await kit.control('DELETE', `/faults/${id}`)).status).toBe(200);
    expect((await kit.control('DELETE', `/faults/${id}`)).status).toBe(404);
    expect(await statuses(1)).toEqual([429]);
    expect((await kit.control('GET', '/faults')).json.faults).toMatchObject([{ kind: 'slow_down', hits: 1 }]);
    await kit.control('DELETE', '/faults');
    expect(await statuses(1)).toEqual([200]);
  });

  test('parameters are looked at before limits and moderation, but after the edge', async () => {
    await kit.fault({ kind: 'moderation_input' });
    expect(await (await generate({ n: 11 })).json()).toMatchObject({ error: { code: 'integer_above_max_value' } });
    await kit.fault({ kind: 'invalid_api_key' });
    expect((await generate({ n: 11 })).status).toBe(401);
  });

  test.each([
    [{ kind: 'nonsense' }, /unknown kind 'nonsense'; kinds: invalid_api_key, /],
    [{ kind: 'hang', colour: 1 }, /unknown field 'colour'/],
    [{ kind: 'hang', count: 0 }, /count must be/],
    [{ kind: 'hang', probability: 2 }, /probability must be/],
    [{ kind: 'hang', operation: 'generate' }, /operation must be one of generation, edit, variation/],
    [{ kind: 'hang', params: 3 }, /params must be/],
    [[1], /JSON object/],
  ])('refuses %j', async (fault, message) => {
    const { status, json } = await kit.control('POST', '/faults', fault);
    expect(status).toBe(400);
    expect(json.error).toMatch(message);
    expect(json.kinds).toEqual(FAULT_KINDS);
  });
});

test('every kind is exercised by a test', async () => {
  const files = ['./fault-replies.integration.test.ts', './fault-effects.integration.test.ts'];
  const texts = await Promise.all(files.map((file) => readFile(new URL(file, import.meta.url), 'utf8')));
  expect(FAULT_KINDS.filter((kind) => !texts.join('').includes(`'${kind}'`))).toEqual([]);
});

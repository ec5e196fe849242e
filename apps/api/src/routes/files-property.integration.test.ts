import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeForm, type Part } from '../testing/forms.ts';
import { type Json, SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

// Whatever the order of the parts, the boundary, the bytes of the file and the cuts between packets: the file is stored
// as it was sent when the form holds one file and the purpose, and refused by name otherwise.

const BOUNDARY = 'ab';
let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** Bytes that keep looking like the end of the part. */
const lookalikes = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', `\r\n--${BOUNDARY[0]}`, BOUNDARY, '\0', 'x', 'é'), {
    maxLength: 60,
  })
  .map((pieces) => Buffer.from(pieces.join('')));
const value = fc
  .oneof(
    lookalikes,
    fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
  )
  .filter((bytes) => !Buffer.concat([Buffer.from('\r\n'), bytes]).includes(`\r\n--${BOUNDARY}`));

const file = value.map((bytes): Part => ({ name: 'file', filename: 'f', value: bytes }));
const purpose = fc.constant<Part>({ name: 'purpose', value: 'batch' });
const stray = fc.constantFrom('purposes', 'model', 'file[]', 'Purpose').map((name): Part => ({ name, value: 'x' }));

async function send(form: Buffer, cuts: readonly number[]): Promise<{ status: number; body: Json }> {
  const places = [0, ...cuts.map((cut) => cut % (form.length + 1)).sort((a, b) => a - b), form.length];
  const outgoing = request(`${api.url}/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
  });
  const replied = new Promise<{ status: number; body: Json }>((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (reply) => {
      json(reply).then((body) => resolve({ status: reply.statusCode ?? 0, body }), reject);
    });
  });
  outgoing.setNoDelay(true);
  for (const [at, start] of places.slice(0, -1).entries()) {
    await new Promise((written) => outgoing.write(form.subarray(start, places[at + 1]), written));
  }
  outgoing.end();
  return replied;
}

it('a form is stored as it was sent, or refused for what is wrong with it', async () => {
  const parts = fc.array(fc.oneof({ weight: 3, arbitrary: file }, { weight: 3, arbitrary: purpose }, stray), {
    maxLength: 4,
  });
  const good = fc
    .tuple(file, purpose, fc.boolean())
    .map(([one, other, isFirst]) => (isFirst ? [one, other] : [other, one]));
  await fc.assert(
    fc.asyncProperty(fc.oneof(good, parts), fc.array(fc.nat(), { maxLength: 6 }), async (form, cuts) => {
      const { status, body } = await send(encodeForm(form, BOUNDARY), cuts);
      const count = (name: string) => form.filter((part) => part.name === name).length;
      const isGood = form.length === 2 && count('file') === 1 && count('purpose') === 1;
      expect(status).toBe(isGood ? 200 : 400);
      if (!isGood) {
        const wrong = form
          .map(({ name }) => name)
          .filter((name = '') => count(name) > 1 || !['file', 'purpose'].includes(name));
        const absent = ['file', 'purpose'].filter((name) => count(name) === 0);
        expect([...wrong, ...absent]).toContain(body.error.param);
        return;
      }
      const key = `files/shop/${body.id}`;
      const sent = form.find(({ name }) => name === 'file')?.value ?? '';
      expect(Buffer.compare(Buffer.from((await api.deps.store.read(key)) ?? []), Buffer.from(sent))).toBe(0);
      expect(body.bytes).toBe(sent.length);
    }),
    { numRuns: 300 },
  );
  const { data } = (await api.ask('/v1/files')).json;
  expect(await Array.fromAsync(api.deps.store.list('files/'))).toHaveLength(data.length);
});

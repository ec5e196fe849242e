import { expect, test } from 'vitest';
import { RedisReplyError } from '../base/redis-reply.ts';
import { toJobRecord, toJobStatus } from './record.ts';
import { encodeSpec } from './spec.ts';
import { TEST_SPEC } from './test-spec.ts';

const ID = 'job_1';
const STATE = { id: ID, account: 'acme', run: 1, status: 'queued', createdAt: 1, expiresAt: 2, sequence: 0 };
const CALL = { attempts: 1, failed: 0, unknown: 0, moderated: 0, open: 1, outcome: '' };
const ATTEMPT = { at: 1, outcome: null, run: 1, upstreamKey: 'default', images: [0] };
const IMAGE = { index: 0, contentType: 'image/png', bytes: 9, width: 1, height: 1, sha256: 'a'.repeat(64) };
const WHOLE = {
  state: JSON.stringify(STATE),
  spec: encodeSpec(TEST_SPEC),
  'call:0': JSON.stringify(CALL),
  'attempt:0.1': JSON.stringify(ATTEMPT),
  'image:0': JSON.stringify(IMAGE),
};

test('a whole record is read; an empty hash is no job', () => {
  const record = toJobRecord(WHOLE, ID);
  expect(record).toMatchObject({ id: ID, status: 'queued', calls: [CALL], attempts: [ATTEMPT] });
  expect(record?.images.get(0)).toMatchObject({ ...IMAGE, revisedPrompt: null });
  expect(toJobRecord({}, ID)).toBeNull();
});

test.each<[what: string, reply: unknown, message: string]>([
  ['another command’s word', 'OK', 'job:job_1 is not a hash but a text of 2 characters'],
  ['a number', 1, 'job:job_1 is not a hash but the number 1'],
  ['nothing where a hash is', null, 'job:job_1 is not a hash but missing'],
  ['a list', ['state', WHOLE.state], 'job:job_1 is not a hash but a list of 2'],
  ['a hash without a state', { spec: WHOLE.spec }, 'job:job_1 state is not an object in JSON but missing'],
  ['a hash without a spec', { state: WHOLE.state }, 'job:job_1 spec is not an object in JSON but missing'],
  ['half a state', { ...WHOLE, state: '{"id":"job_1"' }, 'job:job_1 state is not an object in JSON but a text'],
  ['a text as state', { ...WHOLE, state: '"x"' }, 'job:job_1 state is not an object in JSON'],
  ['a half spec', { ...WHOLE, spec: '{"model":"m"}' }, 'job:job_1 spec input is not an object but missing'],
  ['calls that are none', spec({ calls: [0] }), 'job:job_1 spec calls is not lists of images but a list of 1'],
  ['another job’s record', with_('state', STATE, { id: 'job_2' }), 'job:job_1 state id is not of this job'],
  [
    'no status',
    with_('state', STATE, { status: undefined }),
    'job:job_1 state status is not a known value but missing',
  ],
  ['an unknown status', with_('state', STATE, { status: 'done' }), 'job:job_1 state status is not a known value'],
  ['a run that is no number', with_('state', STATE, { run: '1' }), 'job:job_1 state run is not a number but a text'],
  [
    'a call without an outcome',
    with_('call:0', CALL, { outcome: null }),
    'job:job_1 call:0 outcome is not a known value',
  ],
  ['a call that is null', { ...WHOLE, 'call:0': 'null' }, 'job:job_1 call:0 is not an object in JSON'],
  [
    'an attempt with another outcome',
    with_('attempt:0.1', ATTEMPT, { outcome: 'ok' }),
    'job:job_1 attempt:0.1 outcome',
  ],
  [
    'an attempt without images',
    with_('attempt:0.1', ATTEMPT, { images: {} }),
    'attempt:0.1 images is not a list but of',
  ],
  [
    'an image without its hash',
    with_('image:0', IMAGE, { sha256: undefined }),
    'job:job_1 image:0 sha256 is not a text',
  ],
])('%s decides nothing', (_what, reply, message) => {
  expect(() => toJobRecord(reply, ID)).toThrow(RedisReplyError);
  expect(() => toJobRecord(reply, ID)).toThrow(message);
});

test('what stood there is not told: it may be a prompt', () => {
  const damaged = { ...WHOLE, spec: WHOLE.spec.slice(0, -1) };
  expect(() => toJobRecord(damaged, ID)).toThrow(/^(?!.*cat).*$/);
});

test('a status is read from a state of that job alone', () => {
  expect(toJobStatus(WHOLE.state, ID)).toBe('queued');
  expect(toJobStatus(null, ID)).toBeNull();
  for (const wrong of ['OK', 1, undefined, [], WHOLE.state.replace(ID, 'job_2'), '{}'])
    expect(() => toJobStatus(wrong, ID)).toThrow(RedisReplyError);
});

function with_(field: keyof typeof WHOLE, row: object, changes: object): object {
  return { ...WHOLE, [field]: JSON.stringify({ ...row, ...changes }) };
}

function spec(changes: object): object {
  return { ...WHOLE, spec: JSON.stringify({ ...JSON.parse(WHOLE.spec), ...changes }) };
}

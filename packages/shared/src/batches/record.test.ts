import { expect, test } from 'vitest';
import { RedisReplyError } from '../base/redis-reply.ts';
import { toBatchRecord } from './record.ts';

const ID = 'batch_1';
const SPEC = { account: 'acme', inputKey: 'batches/1', windowMs: 86_400_000, onInvalid: 'reject' };
const WHOLE = {
  id: ID,
  spec: JSON.stringify(SPEC),
  status: 'in_progress',
  run: '1',
  createdAt: '1',
  expiresAt: '2',
  'at:in_progress': '1',
  cursorByte: '10',
};

test('a whole record is read; an empty hash is no batch', () => {
  const batch = toBatchRecord(WHOLE, ID);
  expect(batch).toMatchObject({ id: ID, status: 'in_progress', at: { in_progress: 1 }, total: 0 });
  expect(batch?.cursor).toEqual({ byte: 10, line: 0 });
  expect(toBatchRecord({}, ID)).toBeNull();
});

test.each<[what: string, reply: unknown, message: string]>([
  ['another command’s word', 'OK', 'batch:batch_1 is not a hash'],
  ['nothing where a hash is', null, 'batch:batch_1 is not a hash but missing'],
  ['another batch’s record', { ...WHOLE, id: 'batch_2' }, 'batch:batch_1 id is not of this batch'],
  ['counters without their batch', { submitted: '1' }, 'batch:batch_1 id is not of this batch but missing'],
  ['half a spec', { ...WHOLE, spec: '{"account"' }, 'batch:batch_1 spec is not an object in JSON'],
  [
    'a spec without input',
    { ...WHOLE, spec: '{"account":"a"}' },
    'batch:batch_1 spec inputKey is not a text but missing',
  ],
  ['an unknown status', { ...WHOLE, status: 'done' }, 'batch:batch_1 status is not'],
  ['no run', { ...WHOLE, run: undefined }, 'batch:batch_1 run is not a whole number'],
  ['a cursor that is no number', { ...WHOLE, cursorByte: 'x' }, 'batch:batch_1 cursorByte is not a whole number'],
])('%s decides nothing', (_what, reply, message) => {
  expect(() => toBatchRecord(reply, ID)).toThrow(RedisReplyError);
  expect(() => toBatchRecord(reply, ID)).toThrow(message);
});

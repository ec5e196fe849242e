import { describe, expect, it } from 'vitest';
import { fileHeaders } from './file-headers.ts';

const FILE = {
  id: 'file-1',
  account: 'shop',
  purpose: 'batch',
  bytes: 1,
  createdAt: 0,
  key: 'files/shop/file-1',
  contentType: 'application/jsonl',
  sha256: 'abc',
  expiresAt: null,
} as const;

describe('the name of a download', () => {
  it.each([
    ['cats.jsonl', 'attachment; filename="cats.jsonl"'],
    ['a "b"\\c', `attachment; filename="a _b__c"; filename*=UTF-8''a%20%22b%22%5Cc`],
    ['größe.jsonl', `attachment; filename="gr__e.jsonl"; filename*=UTF-8''gr%C3%B6%C3%9Fe.jsonl`],
    ["it's (1)*.x", `attachment; filename="it's (1)*.x"`],
    ["猫's*", `attachment; filename="_'s*"; filename*=UTF-8''%E7%8C%AB%27s%2A`],
    ['100%', `attachment; filename="100_"; filename*=UTF-8''100%25`],
  ])('%s', (filename, disposition) => {
    expect(fileHeaders({ ...FILE, filename })['content-disposition']).toBe(disposition);
  });
});

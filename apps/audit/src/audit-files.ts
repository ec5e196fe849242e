// Records of files and of input images against their bytes in storage.
import { toFileRecord } from '@darkroom/shared/files/file-record.ts';
import { inputKey } from '@darkroom/shared/images/keys.ts';
import type { InputFacts } from '@darkroom/shared/requests/inputs.ts';
import type { Audit } from './audit.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

export async function auditFile({ redis, keys, store, book }: Audit, id = ''): Promise<void> {
  book.looked.files += 1;
  const look = async (): Promise<Finding[]> => {
    const hash = await redis.hgetall(keys.file(id));
    const record = parsed(() => toFileRecord(hash));
    if (record === null)
      return hash['id'] === undefined ? [] : [{ kind: 'record_unreadable', subject: id, detail: '' }];
    const found = await store.head(record.key);
    if (found?.bytes === record.bytes) return [];
    const detail = found === null ? 'is missing' : `has ${found.bytes} bytes, recorded are ${record.bytes}`;
    return [{ kind: 'file_missing', subject: id, detail }];
  };
  await book.suspect(await look(), look);
}

/** A record is there before the bytes are, and may stay without them when a process dies in between. */
export async function auditInput({ redis, keys, store, book }: Audit, account = '', sha256 = ''): Promise<void> {
  const look = async (): Promise<Finding[]> => {
    const facts = await redis.hget(keys.input(account, sha256), 'facts');
    if (facts === null) return [];
    const bytes = parsed(() => (JSON.parse(facts) as InputFacts).bytes);
    const [found, isHeld] = await Promise.all([
      store.head(inputKey(account, sha256)),
      redis.exists(keys.inputFiles(account, sha256)),
    ]);
    if (found?.bytes === bytes) return [];
    const kind = isHeld === 1 ? 'input_missing' : 'input_not_stored';
    return [{ kind, subject: `${account}/${sha256}`, detail: found === null ? 'is missing' : 'is cut' }];
  };
  await book.suspect(await look(), look);
}

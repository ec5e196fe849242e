// Bytes of files and input images in storage against their records.
import type { Audit } from './audit.ts';
import { eachLimited } from './each-limited.ts';
import type { Finding } from './findings.ts';

const CHUNK = 500;
const AT_ONCE = 50;

export async function auditStoredBytes(audit: Audit): Promise<void> {
  for (const folder of ['files', 'inputs'] as const) {
    let chunk: string[] = [];
    for await (const { key } of audit.store.listObjects(`${folder}/`)) {
      chunk.push(key);
      if (chunk.length < CHUNK) continue;
      await eachLimited(chunk, AT_ONCE, (each) => auditBytes(audit, each));
      chunk = [];
    }
    await eachLimited(chunk, AT_ONCE, (each) => auditBytes(audit, each));
  }
}

async function auditBytes({ redis, keys, store, book }: Audit, key: string): Promise<void> {
  const [folder, account = '', name = ''] = key.split('/');
  const kind = folder === 'files' ? 'file_unrecorded' : 'input_unrecorded';
  const records = folder === 'files' ? [keys.file(name)] : [keys.input(account, name), keys.inputFiles(account, name)];
  const isRecorded = async (): Promise<boolean> => (await redis.exists(...records)) > 0;
  const finding: Finding = { kind, subject: key, detail: '' };
  if (await isRecorded()) return;
  // Bytes come before their record, and go before it.
  await book.suspect([finding], async () =>
    (await isRecorded()) || (await store.head(key)) === null ? [] : [finding],
  );
}

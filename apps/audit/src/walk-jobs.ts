// All jobs that a list or the storage knows, each once, with its part of the storage. Both sides come in the order of
// `<account>/<job>/` and are merged.
import type { Audit } from './audit.ts';
import type { JobPlace } from './job-books.ts';

const IDS_A_STEP = 1_000;

export async function* placesOf(audit: Audit): AsyncGenerator<JobPlace> {
  const stored = storedPlaces(audit);
  let next = await stored.next();
  for await (const listed of listedJobs(audit)) {
    while (next.done !== true && orderOf(next.value) < orderOf(listed)) {
      yield next.value;
      next = await stored.next();
    }
    if (next.done !== true && orderOf(next.value) === orderOf(listed)) {
      yield next.value;
      next = await stored.next();
    } else yield { ...listed, stored: new Map() };
  }
  for (; next.done !== true; next = await stored.next()) yield next.value;
}

function orderOf({ account, jobId }: Pick<JobPlace, 'account' | 'jobId'>): string {
  return `${account}/${jobId}/`;
}

/** In the order of their keys in storage: `a-1/` comes before `a/`. */
async function* listedJobs({ redis, keys }: Audit): AsyncGenerator<Pick<JobPlace, 'account' | 'jobId'>> {
  const accounts = (await redis.smembers(keys.accounts)).map((account) => `${account}/`).sort();
  for (const folder of accounts) {
    const account = folder.slice(0, -1);
    const ids = new Set<string>();
    // What is added or trimmed meanwhile moves the ranks: steps overlap by half.
    for (let rank = 0; ; rank += IDS_A_STEP / 2) {
      const step = await redis.zrange(keys.accountJobs(account), String(rank), String(rank + IDS_A_STEP - 1));
      for (const id of step) ids.add(`${id}/`);
      if (step.length < IDS_A_STEP) break;
    }
    for (const id of [...ids].sort()) yield { account, jobId: id.slice(0, -1) };
  }
}

async function* storedPlaces({ store, book }: Audit): AsyncGenerator<JobPlace> {
  let at = { account: '', jobId: '' };
  let stored = new Map<string, number>();
  for await (const { key, bytes } of store.listObjects('images/')) {
    const [, account = '', jobId = '', name, ...rest] = key.split('/');
    if (name === undefined || rest.length > 0) {
      book.add({ kind: 'foreign_object', subject: key, detail: '' });
      continue;
    }
    if (at.account !== account || at.jobId !== jobId) {
      if (stored.size > 0) yield { ...at, stored };
      at = { account, jobId };
      stored = new Map();
    }
    stored.set(key, bytes);
  }
  if (stored.size > 0) yield { ...at, stored };
}

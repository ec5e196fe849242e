// Jobs that no list of their account leads to: the walk along the lists has not seen them.
import type { Audit } from './audit.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

export async function auditListing({ redis, keys, book }: Audit, jobId = ''): Promise<void> {
  const look = async (): Promise<Finding[]> => {
    const state = await redis.hget(keys.job(jobId), 'state');
    const account = accountOf(state);
    if (account === null) return [];
    const [score, isKnown] = await Promise.all([
      redis.zscore(keys.accountJobs(account), jobId),
      redis.sismember(keys.accounts, account),
    ]);
    const isListed = score !== null && isKnown === 1;
    return isListed ? [] : [{ kind: 'job_unlisted', subject: jobId, detail: `account ${account}` }];
  };
  await book.suspect(await look(), look);
}

/** null: there is no such job, or it can't be read. */
function accountOf(state: string | null): string | null {
  return state === null ? null : parsed(() => (JSON.parse(state) as { account: string }).account);
}

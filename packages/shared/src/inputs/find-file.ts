// The image behind a `file_id`: a vision file of the account. Files themselves are the affair of `files/`, which stands
// above; here three fields of their records are read.
import type { Redis } from 'ioredis';
import { isFileId } from '../base/ids.ts';
import type { Keys } from '../base/keys.ts';
import type { HeldInput } from './held.ts';
import { noSuchInputFile, wrongPurpose } from './problems.ts';
import { keepInputs, readFacts } from './steps.ts';

/** From here on the image stays this long, though its file be deleted; by then it is kept for the job. */
const KEPT_MS = 3_600_000;

/**
 * Throws ServiceError `file_not_found`, the same for missing files and those of others, and `invalid_value` for a file of
 * another purpose.
 */
export async function findInputFile(
  deps: { readonly redis: Redis; readonly keys: Keys },
  account: string,
  param: string,
  fileId: string,
): Promise<HeldInput> {
  if (!isFileId(fileId)) throw noSuchInputFile(param, fileId);
  const [owner, purpose, sha256] = await deps.redis.hmget(deps.keys.file(fileId), 'account', 'purpose', 'sha256');
  if (owner !== account || !purpose || !sha256) throw noSuchInputFile(param, fileId);
  if (purpose !== 'vision') throw wrongPurpose(param, fileId, purpose);
  const isThere = await keepInputs(deps, account, [{ sha256, facts: null }], Date.now() + KEPT_MS);
  const facts = isThere ? await readFacts(deps, account, sha256) : null;
  if (facts === null) throw noSuchInputFile(param, fileId);
  return { facts, path: null };
}

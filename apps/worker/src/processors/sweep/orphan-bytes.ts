// Bytes of files and input images that nothing refers to: their record was never written, or went without them. Images are
// never touched. Looked for once a day by one worker; only what is a week old goes, only of accounts this Redis knows, and
// nothing while the storage's mark names another Redis too (a second installation, or this one's before it was emptied).
import { isFileId } from '@darkroom/shared/base/ids.ts';
import type { ListedObject } from '@darkroom/shared/images/store.ts';
import type { Deps } from '../../deps.ts';
import { reportRepair } from './repair.ts';
import { extendTurn, takeTurn } from './turn.ts';

const PART = 'orphan-bytes';
const DAY_MS = 86_400_000;
const OLD_MS = 7 * DAY_MS;
const OBJECTS_AT_ONCE = 100;
const SHA256 = /^[0-9a-f]{64}$/;
/** A worker that dies while it looks leaves the rest to another after this long. */
const TURN_MS = 600_000;

/** `now`: unix ms. */
export async function sweepOrphanBytes(deps: Deps, stop: AbortSignal, now = Date.now()): Promise<void> {
  if (!(await takeTurn(deps, PART, TURN_MS))) return;
  if (!(await deps.store.isOursAlone())) {
    deps.log.warn('the image storage has served another Redis too: bytes without a record are left there');
    return await extendTurn(deps, PART, DAY_MS);
  }
  for (const prefix of ['files/', 'inputs/']) {
    let chunk: ListedObject[] = [];
    for await (const object of deps.store.listObjects(prefix)) {
      if (object.lastModified > now - OLD_MS) continue;
      chunk.push(object);
      if (chunk.length < OBJECTS_AT_ONCE) continue;
      if (stop.aborted) return;
      await removeOrphans(deps, chunk);
      await extendTurn(deps, PART, TURN_MS);
      chunk = [];
    }
    await removeOrphans(deps, chunk);
  }
  await extendTurn(deps, PART, DAY_MS);
}

async function removeOrphans(deps: Deps, objects: readonly ListedObject[]): Promise<void> {
  const orphans = await Promise.all(objects.map(({ key }) => toOrphan(deps, key)));
  for (const orphan of orphans) {
    if (orphan === null) continue;
    const { kind, key, account, name } = orphan;
    // An input image may be handed in again this moment: those who keep and remove it meet on the list of inputs.
    const isGone =
      kind === 'file_bytes'
        ? await deps.store.delete(key)
        : (await deps.redis.zadd(deps.keys.inputs, 'NX', Date.now(), `${account}/${name}`)) === 1;
    reportRepair(deps, kind, isGone ? 1 : 0, { key });
  }
}

interface Orphan {
  readonly kind: 'file_bytes' | 'input_bytes';
  readonly key: string;
  readonly account: string;
  readonly name: string;
}

/** null for what something refers to, and for what is none of ours. */
async function toOrphan({ redis, keys }: Deps, key: string): Promise<Orphan | null> {
  const [folder, account = '', name = '', ...rest] = key.split('/');
  if (rest.length > 0 || (await redis.exists(keys.accountFiles(account), keys.accountJobs(account))) === 0) return null;
  if (folder === 'files') {
    const isOrphan = isFileId(name) && (await redis.exists(keys.file(name))) === 0;
    return isOrphan ? { kind: 'file_bytes', key, account, name } : null;
  }
  const isOrphan =
    SHA256.test(name) && (await redis.exists(keys.input(account, name), keys.inputFiles(account, name))) === 0;
  return isOrphan ? { kind: 'input_bytes', key, account, name } : null;
}

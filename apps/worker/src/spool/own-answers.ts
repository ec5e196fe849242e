// Which files of this host's spool are this installation's. Others may use the same folder; and a worker on a Redis that was
// emptied, or on a wrong one, knows none of the jobs whose answers lie there. A file is ours when Redis has its job, else when it
// bears the name of our books (images/mark.ts) or none, as those of versions before. What is not ours is left alone: whoever
// works with its Redis drains it.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { readBooks } from '@darkroom/shared/images/mark.ts';
import type { NamedBooks, Spool } from '@darkroom/shared/images/spool.ts';
import type { AnswerId } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';

export interface OwnAnswers {
  /** Oldest first. What is not ours no longer counts as used in the spool, and is said in the log once. */
  list(): Promise<AnswerId[]>;
  /** Whether the file names our books as Redis has them now, or none. */
  isMarkedOurs(id: AnswerId): Promise<boolean>;
}

interface OwnDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly spool: Pick<Spool, 'list' | 'readBooks' | 'leaveToOthers'>;
  readonly log: Logger;
}

export function buildOwnAnswers({ redis, keys, spool, log }: OwnDeps): OwnAnswers {
  const said = new Set<string>();
  /** Once for each other installation, and once for what can't be read. */
  const say = (id: AnswerId, file: NamedBooks): void => {
    const whose = file.kind === 'named' ? file.name : file.kind;
    if (said.has(whose) || file.kind === 'missing') return;
    said.add(whose);
    log.warn(
      { oneOfThem: id, books: whose },
      'the spool holds answers that are not of this Redis: they are left alone',
    );
  };
  const isOurs = (file: NamedBooks, ours: string | null): boolean =>
    file.kind === 'unnamed' || (file.kind === 'named' && file.name === ours);
  return {
    async list() {
      const all = await spool.list();
      const isKnown = await Promise.all(all.map(({ jobId }) => redis.exists(keys.job(jobId))));
      const ours = await readBooks({ redis, keys });
      const own: AnswerId[] = [];
      const others: AnswerId[] = [];
      for (const [place, id] of all.entries()) {
        const file = isKnown[place] === 1 ? null : await spool.readBooks(id);
        if (file === null || isOurs(file, ours)) {
          own.push(id);
        } else {
          others.push(id);
          say(id, file);
        }
      }
      spool.leaveToOthers(others);
      return own;
    },
    async isMarkedOurs(id) {
      return isOurs(await spool.readBooks(id), await readBooks({ redis, keys }));
    },
  };
}

// What stands on lists of jobs and should not: ended jobs among the open ones, answers that are spooled no more. What is
// missing there is found with the jobs themselves.
import { toJobRecord } from '@darkroom/shared/jobs/record.ts';
import type { Audit } from './audit.ts';
import { eachLimited } from './each-limited.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

const AT_ONCE = 25;

export async function auditOpenJobs({ redis, keys, book }: Audit): Promise<void> {
  const look = async (id: string): Promise<Finding[]> => {
    const [isThere, score] = await Promise.all([redis.exists(keys.job(id)), redis.zscore(keys.openJobs, id)]);
    return score !== null && isThere === 0 ? [{ kind: 'open_list', subject: id, detail: 'there is no such job' }] : [];
  };
  for await (const ids of membersOf(redis, keys.openJobs)) {
    await eachLimited(ids, AT_ONCE, async (id) => book.suspect(await look(id), () => look(id)));
  }
}

export async function auditSpooled({ redis, keys, book }: Audit): Promise<void> {
  const look = async (member: string): Promise<Finding[]> => {
    const [jobId = '', call, seq] = member.split(' ');
    const [hash, score] = await Promise.all([redis.hgetall(keys.job(jobId)), redis.zscore(keys.spooled, member)]);
    const row = parsed(() => toJobRecord(hash, jobId))?.attempts.find(
      (each) => String(each.call) === call && String(each.seq) === seq,
    );
    if (score === null || row?.spooled !== undefined) return [];
    return [
      { kind: 'spool_books', subject: jobId, detail: `attempt ${call}.${seq} is on the list and is not spooled` },
    ];
  };
  for await (const members of membersOf(redis, keys.spooled)) {
    await eachLimited(members, AT_ONCE, async (member) => book.suspect(await look(member), () => look(member)));
  }
}

/** The members of a ZSET, a page at a time. */
async function* membersOf(redis: Audit['redis'], key: string): AsyncGenerator<string[]> {
  for await (const page of redis.zscanStream(key, { count: 500 }))
    yield (page as string[]).filter((_, index) => index % 2 === 0);
}

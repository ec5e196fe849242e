// The lanes' counts of open calls. Jobs come and go while they are summed up: a lane whose books have moved meanwhile is
// summed up again, and one that never stands still is left to the next audit.
import { LANES } from '@darkroom/shared/models/rules.ts';
import type { Audit } from './audit.ts';
import { compareLanes, type OpenCalls } from './compare-lanes.ts';
import type { Finding } from './findings.ts';
import { parsed } from './parsed.ts';

const TRIES = 5;

type Books = Readonly<Record<string, string>>;

export async function auditLanes(audit: Audit): Promise<void> {
  const look = async (): Promise<Finding[]> => {
    let findings: Finding[] = [];
    let lanes = LANES;
    for (let tries = 0; tries < TRIES && lanes.length > 0; tries += 1) {
      const before = await readBooks(audit, lanes);
      const jobs = await sumUp(audit);
      const after = await readBooks(audit, lanes);
      const still = lanes.filter((_, index) => JSON.stringify(before[index]) === JSON.stringify(after[index]));
      findings = [
        ...findings,
        ...still.flatMap((lane) => compareLanes(lane, openOf(lane, after[lanes.indexOf(lane)]), jobs)),
      ];
      lanes = lanes.filter((lane) => !still.includes(lane));
    }
    return findings;
  };
  await audit.book.suspect(await look(), look);
}

function readBooks({ redis, keys }: Audit, lanes: readonly string[]): Promise<Books[]> {
  return Promise.all(lanes.map((lane) => redis.hgetall(keys.lane(lane))));
}

function openOf(lane: string, books: Books = {}): OpenCalls {
  const open = Object.entries(books).filter(([field]) => field === 'open' || field.startsWith('open:'));
  return new Map(open.map(([field, value]) => [field.replace(/^open:?/, `${lane} `).trim(), Number(value)]));
}

/** Jobs recorded before lanes had books name none. */
async function sumUp({ redis, keys }: Audit): Promise<OpenCalls> {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  for await (const page of redis.zscanStream(keys.openJobs, { count: 500 })) {
    const ids = (page as string[]).filter((id, index) => index % 2 === 0 && !seen.has(id));
    for (const id of ids) seen.add(id);
    const states = await Promise.all(ids.map((id) => redis.hget(keys.job(id), 'state')));
    for (const text of states) {
      const { lane, account, left } = parseState(text);
      if (lane === undefined) continue;
      for (const name of [lane, `${lane} ${account}`]) counts.set(name, (counts.get(name) ?? 0) + left);
    }
  }
  return counts;
}

interface OpenState {
  readonly lane?: string;
  readonly account: string;
  readonly left: number;
}

/** One that is gone, or can't be read, is none of a lane's. */
function parseState(text: string | null): OpenState {
  return parsed(() => JSON.parse(text ?? '') as OpenState) ?? { account: '', left: 0 };
}

// The open calls a lane's books count against those its open jobs have. Pure.
import type { Finding } from './findings.ts';

/** Open calls by `<lane>` and `<lane> <account>`. */
export type OpenCalls = ReadonlyMap<string, number>;

export function compareLanes(lane: string, books: OpenCalls, jobs: OpenCalls): Finding[] {
  const names = [...books.keys(), ...jobs.keys()].filter((name) => name === lane || name.startsWith(`${lane} `));
  return [...new Set(names)]
    .filter((name) => (books.get(name) ?? 0) !== (jobs.get(name) ?? 0))
    .map((name) => {
      const whose = name === lane ? 'all accounts' : `account ${name.slice(lane.length + 1)}`;
      const counts = `${books.get(name) ?? 0} are counted, ${jobs.get(name) ?? 0} are open`;
      return { kind: 'lane_count', subject: lane, detail: `${whose}: ${counts}` };
    });
}

// One run: a world, its plan carried out, everything at rest, the books compared. What a failing run leaves is written by
// report.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { audit } from './audit/auditor.ts';
import type { Books, Findings } from './audit/books.ts';
import { collectBooks } from './audit/collect-books.ts';
import { openCallers } from './load/callers.ts';
import { type Follower, startFollower } from './load/follower.ts';
import { type Plan, planRun } from './plan.ts';
import { untilRest } from './rest.ts';
import { type Played, playActs } from './schedule.ts';
import { Timeline } from './world/timeline.ts';
import { startWorld, type World } from './world/world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly isShort: boolean;
  readonly tell: (line: string) => void;
}

export interface Run {
  readonly plan: Plan;
  readonly books: Books;
  readonly findings: Findings;
  readonly hits: Played['hits'];
  /** Log lines of every process. */
  readonly lines: readonly string[];
  readonly seconds: number;
}

/** From the end of the last fault on: locks, leases and the sweep's second look fit in. */
const REST_WITHIN_MS = 75_000;

/** Leaves nothing behind. */
export async function runSeed({ seed, isShort, tell }: RunOptions): Promise<Run> {
  const plan = planRun(seed, isShort);
  const startedAt = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'darkroom-chaos-'));
  const lines: string[] = [];
  const timeline = new Timeline(tell);
  const onLine = (name: string, line: string): void => void lines.push(`${new Date().toISOString()} ${name} ${line}`);
  try {
    const world = await startWorld({ ...plan, directory, timeline, onLine });
    try {
      const { books, hits } = await play(world, plan);
      const seconds = (performance.now() - startedAt) / 1_000;
      return { plan, books, findings: withUnhit(audit(books), hits), hits, lines, seconds };
    } finally {
      await world.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function play(world: World, plan: Plan): Promise<{ books: Books; hits: Played['hits'] }> {
  const callers = await openCallers({ url: world.url, hookUrl: world.hooks.url });
  const followers: Follower[] = [startFollower(world.url), startFollower(world.url)];
  try {
    const { hits } = await playActs(world, plan, callers);
    await world.simulator.clearFaults();
    world.timeline.note('faults are over');
    const unrest = await untilRest(world.redis, REST_WITHIN_MS);
    world.timeline.note('at rest', null, { ...unrest });
    await callers.done();
    return { books: await collectBooks(world, plan, callers, followers, unrest), hits };
  } finally {
    await Promise.all(followers.map((follower) => follower.stop()));
  }
}

/** A state nobody was killed in is not proven. */
function withUnhit({ figures, violations }: Findings, hits: Played['hits']): Findings {
  const unhit = [...hits].filter(([, count]) => count === 0).map(([state]) => state);
  return {
    figures,
    violations: [...violations, ...unhit.map((state) => ({ kind: 'state never hit', jobId: null, message: state }))],
  };
}

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
import { accountsOf, type Plan } from './plan.ts';
import { untilRest } from './rest.ts';
import { type Played, playActs } from './schedule.ts';
import { resumeKeys } from './upstream-faults.ts';
import { Log } from './world/log.ts';
import { Timeline } from './world/timeline.ts';
import { startWorld, type World } from './world/world.ts';

export interface Run {
  readonly plan: Plan;
  readonly books: Books;
  readonly findings: Findings;
  readonly played: Played;
  readonly log: Log;
  readonly seconds: number;
}

/** Without any change, after the last fault: locks, leases, the sweep's second look and a dead link's life fit in. */
const STILL_MS = 90_000;
const REST_WITHIN_MS = 300_000;

/** Leaves nothing behind. */
export async function runPlan(plan: Plan, tell: (line: string) => void): Promise<Run> {
  const startedAt = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'darkroom-chaos-'));
  const log = new Log();
  const timeline = new Timeline(tell);
  try {
    const world = await startWorld({ ...plan, directory, timeline, log });
    try {
      const { books, played } = await play(world, plan);
      const seconds = (performance.now() - startedAt) / 1_000;
      return { plan, books, findings: withUnhit(audit(books), played), played, log, seconds };
    } finally {
      await world.stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function play(world: World, plan: Plan): Promise<{ books: Books; played: Played }> {
  const accounts = accountsOf(plan);
  const callers = await openCallers({ url: world.url, hookUrl: world.hooks.url, accounts });
  const followers: Follower[] = [...accounts, ...accounts].map((account) => startFollower(world.url, account));
  try {
    const played = await playActs(world, plan, callers);
    await world.simulator.clearFaults();
    await resumeKeys(world);
    world.timeline.note('faults are over');
    const unrest = await untilRest(world, STILL_MS, REST_WITHIN_MS);
    world.timeline.note('at rest', null, { ...unrest });
    await callers.done();
    return { books: await collectBooks(world, plan, callers, followers, unrest), played };
  } finally {
    await Promise.all(followers.map((follower) => follower.stop()));
  }
}

/** A state nobody was killed or frozen in is not proven. */
function withUnhit({ figures, violations }: Findings, { hits }: Played): Findings {
  const unhit = [...hits].filter(([, count]) => count === 0).map(([state]) => state);
  return {
    figures,
    violations: [...violations, ...unhit.map((state) => ({ kind: 'state never hit', jobId: null, message: state }))],
  };
}

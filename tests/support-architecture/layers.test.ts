// The rules bite: made-up files that break a line are found, those that keep it are not.
import { describe, expect, it } from 'vitest';
import { findCycles } from './cycles.ts';
import { findBrokenLines, findRouteImports, findStrangers, findTestHelpersInUse } from './layers.ts';
import type { SourceFile } from './source-files.ts';

function file(path: string, ...targets: string[]): SourceFile {
  const imports = targets.map((target) => ({ specifier: `./${target}`, target, isTypeOnly: false }));
  return { path, imports, code: '', lineCount: 1, hasDefaultExport: false, reexportsAll: false };
}

const shared = (path: string): string => `packages/shared/src/${path}`;
const api = (path: string): string => `apps/api/src/${path}`;
const worker = (path: string): string => `apps/worker/src/${path}`;

describe('the lines', () => {
  it.each([
    [shared('base/a.ts'), shared('jobs/b.ts')],
    [shared('net/a.ts'), shared('telemetry/b.ts')],
    [shared('requests/a.ts'), shared('queues/b.ts')],
    [api('plugins/a.ts'), api('routes/b.ts')],
    [api('http/a.ts'), api('routes/b.ts')],
    [api('deps.ts'), api('app.ts')],
    [api('routes/a.ts'), api('main.ts')],
    [worker('governor/a.ts'), worker('upstream/b.ts')],
    [worker('upstream/a.ts'), worker('governor/governor.ts')],
    [worker('upstream/a.ts'), worker('processors/b.ts')],
    [worker('a-new-folder/a.ts'), shared('base/b.ts')],
  ])('are broken by %s importing %s', (from, to) => {
    expect(findBrokenLines([file(from, to)])).toHaveLength(1);
  });

  it.each([
    [shared('jobs/a.ts'), shared('base/b.ts')],
    [shared('jobs/a.ts'), shared('jobs/b.ts')],
    [api('routes/a.ts'), api('http/b.ts')],
    [api('app.ts'), api('routes/b.ts')],
    [worker('upstream/a.ts'), worker('governor/observation.ts')],
    [worker('processors/a.ts'), worker('governor/governor.ts')],
    [shared('base/a.test.ts'), shared('jobs/b.ts')],
  ])('are kept by %s importing %s', (from, to) => {
    expect(findBrokenLines([file(from, to)])).toEqual([]);
  });
});

describe('the packages', () => {
  it.each([
    [api('a.ts'), worker('b.ts')],
    [worker('a.ts'), api('b.ts')],
    [shared('base/a.ts'), api('b.ts')],
    [shared('base/a.ts'), 'packages/simulator/src/b.ts'],
    ['packages/simulator/src/a.ts', shared('base/b.ts')],
    ['packages/simulator/src/a.test.ts', shared('base/b.ts')],
    ['scripts/a.ts', 'apps/dev/src/stack.ts'],
    ['apps/dev/src/a.ts', shared('base/b.ts')],
    ['apps/console/src/a.ts', shared('base/b.ts')],
  ])('keep %s from importing %s', (from, to) => {
    expect(findStrangers([file(from, to)])).toHaveLength(1);
  });

  it('let tests beside the code use the simulator and packages/testing', () => {
    const target = ['packages/simulator/src/s3/server.ts', 'packages/testing/src/redis.ts'];
    expect(findStrangers([file(shared('images/a.test.ts'), ...target)])).toEqual([]);
  });

  it('keep test helpers out of what ships', () => {
    const [helper, real] = [api('testing/a.ts'), api('routes/b.ts')];
    expect(findTestHelpersInUse([file(real, helper)])).toHaveLength(1);
    expect(findTestHelpersInUse([file(helper, real)])).toEqual([]);
  });
});

describe('routes and cycles', () => {
  it('finds a route that imports a route', () => {
    expect(findRouteImports([file(api('routes/a.ts'), api('routes/b.ts'))])).toHaveLength(1);
  });

  it('finds each cycle once, and nothing in a tree', () => {
    const loop = [file('a.ts', 'b.ts'), file('b.ts', 'c.ts'), file('c.ts', 'a.ts', 'd.ts'), file('d.ts')];
    expect(findCycles(loop)).toEqual([['a.ts', 'b.ts', 'c.ts']]);
    expect(
      findCycles([file('a.ts', 'b.ts', 'c.ts'), file('b.ts', 'd.ts'), file('c.ts', 'd.ts'), file('d.ts')]),
    ).toEqual([]);
  });
});

// The house holds: who imports whom, who reads the environment, how big a file gets. Fails when it saw no files.
import { globSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCycles } from './support-architecture/cycles.ts';
import {
  findBrokenLines,
  findRouteImports,
  findStrangers,
  findTestHelpersInUse,
} from './support-architecture/layers.ts';
import { AREAS, isTestFile, ROOT, readSourceFiles, type SourceFile } from './support-architecture/source-files.ts';

const MAX_LINES = 300;

/** The one place of each program that may read process.env. */
const ENVIRONMENT_READERS = [
  'apps/api/src/main.ts',
  'apps/audit/src/config.ts',
  'apps/worker/src/config.ts',
  'apps/worker/src/file-threads.ts', // what libuv reads from it
  'packages/simulator/src/main.ts',
];

/** Fewer files than this and the search, not the code, is broken. */
const SEEN_AT_LEAST: Readonly<Record<string, number>> = {
  'apps/api/src/': 25,
  'apps/worker/src/': 15,
  'apps/audit/src/': 2,
  'apps/dev/src/': 5,
  'packages/shared/src/': 60,
  'packages/simulator/src/': 40,
  'packages/testing/src/': 2,
  'benchmarks/': 3,
  'scripts/': 2,
  'tests/': 3,
};

const KNOWN_FILES = [
  'apps/api/src/app.ts',
  'apps/api/src/routes/jobs.ts',
  'apps/worker/src/processors/run-call.ts',
  'apps/worker/src/governor/governor.ts',
  'apps/worker/src/upstream/client.ts',
  'packages/shared/src/base/errors.ts',
  'packages/shared/src/jobs/submit.ts',
  'packages/simulator/src/openai/server.ts',
  'tests/architecture.test.ts',
];

const files = readSourceFiles();
const paths = files.map(({ path }) => path);
const realFiles = files.filter(({ path }) => !isTestFile(path));

function pathsWhere(isWrong: (file: SourceFile) => boolean, among: readonly SourceFile[] = files): string[] {
  return among.filter(isWrong).map(({ path }) => path);
}

describe('the files seen', () => {
  it.each(Object.entries(SEEN_AT_LEAST))('are the code of %s, at least %i', (folder, least) => {
    expect(paths.filter((path) => path.startsWith(folder)).length).toBeGreaterThanOrEqual(least);
  });

  it('are those of every package', () => {
    const packages = globSync(['{apps,packages}/*/package.json', '{tests,benchmarks}/package.json'], { cwd: ROOT });
    expect([...packages.map(dirname), 'scripts'].sort()).toEqual([...AREAS].sort());
  });

  it.each(KNOWN_FILES)('include %s', (path) => {
    expect(paths).toContain(path);
  });

  it('had their imports read', () => {
    const app = files.find(({ path }) => path === 'apps/api/src/app.ts');
    expect(app?.imports.map(({ target }) => target)).toContain('apps/api/src/routes/jobs.ts');
    const submit = files.find(({ path }) => path === 'apps/worker/src/processors/run-call.ts');
    expect(submit?.imports.map(({ target }) => target)).toContain('packages/shared/src/jobs/store.ts');
  });
});

describe('imports', () => {
  it('lead to files that are there', () => {
    const missing = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target?.endsWith('.ts') && !paths.includes(target))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(missing).toEqual([]);
  });

  it('stay within what each package may know: api and worker never meet, the simulator knows nothing of ours', () => {
    expect(findStrangers(files)).toEqual([]);
  });

  it('go down the lines of shared, api and worker, never up', () => {
    expect(findBrokenLines(files)).toEqual([]);
  });

  it('never lead from the service to what is there for tests', () => {
    expect(findTestHelpersInUse(files)).toEqual([]);
  });

  it('never lead from a route to a route', () => {
    expect(findRouteImports(files)).toEqual([]);
  });

  it('make no cycle at run time', () => {
    expect(findCycles(files)).toEqual([]);
  });

  it('name the file, with its ending: no barrels', () => {
    expect(paths.filter((path) => path.endsWith('/index.ts'))).toEqual([]);
    expect(pathsWhere(({ reexportsAll }) => reexportsAll)).toEqual([]);
    const bare = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, target }) => target !== null && !/\.[a-z]+$/.test(specifier))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(bare).toEqual([]);
  });
});

describe('a file', () => {
  it('reads the environment only as the one reader of its program', () => {
    const services = realFiles.filter(({ path }) => /^(apps\/(api|audit|worker)|packages)\//.test(path));
    expect(pathsWhere(({ code }) => /\bprocess\s*(\.|\[)\s*['"]?env\b/.test(code), services)).toEqual(
      ENVIRONMENT_READERS,
    );
  });

  it('has no default export', () => {
    expect(pathsWhere(({ hasDefaultExport }) => hasDefaultExport)).toEqual([]);
  });

  it(`has at most ${MAX_LINES} lines, tests apart`, () => {
    expect(pathsWhere(({ lineCount }) => lineCount > MAX_LINES, realFiles)).toEqual([]);
  });

  it('leaves no test out', () => {
    expect(pathsWhere(({ code }) => /\b(it|test|describe|suite|bench)(\.\w+)*\.(only|skip|todo)\b/.test(code))).toEqual(
      [],
    );
  });
});

// Which file may import which: the lines of the house, as data. `import type` obeys them like any import.
import { isTestFile, type SourceFile } from './source-files.ts';

/** A package and what it may import besides itself. Tests may also import what stands in `TEST_HELPERS`. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'packages/shared': [],
  'packages/simulator': [],
  'packages/testing': ['packages/simulator/src/http/free-port.ts'],
  'apps/api': ['packages/shared'],
  'apps/worker': ['packages/shared'],
  'apps/audit': ['packages/shared'],
  'apps/dev': ['packages/simulator/src/http/free-port.ts'],
  benchmarks: ['apps/dev', 'packages/simulator'],
  // Only the declarations the README's table is made from.
  scripts: ['apps/api/src/config.ts', 'apps/worker/src/config.ts', 'packages/shared'],
  tests: ['apps/dev', 'apps/api', 'apps/worker', 'apps/audit', 'packages/shared', 'scripts'],
};

/** The outside world on localhost, and what opens a real Redis or S3 for a test. */
const TEST_HELPERS = ['packages/simulator', 'packages/testing'];

/** From the top down: a file imports its own row and the rows below. Rows end in `/` for folders. */
interface Line {
  readonly root: string;
  readonly rows: readonly (readonly string[])[];
  /** Members of one row that may import each other; by default members of a row are strangers. */
  readonly friends?: readonly (readonly [from: string, to: string])[];
}

const LINES: readonly Line[] = [
  {
    root: 'packages/shared/src/',
    rows: [
      'batches/',
      'jobs/',
      'accounts/',
      'usage/',
      'webhooks/',
      'files/',
      'inputs/',
      'images/',
      'lanes/',
      'queues/',
      'requests/',
      'models/',
      'telemetry/',
      'net/',
      'base/',
    ].map((folder) => [folder]),
  },
  {
    root: 'apps/api/src/',
    rows: [
      ['main.ts'],
      ['app.ts'],
      ['routes/', 'plugins/'],
      ['http/', 'openapi/'],
      ['deps.ts'],
      ['learned-models.ts'],
      ['config.ts'],
      ['http/loopback.ts'],
    ],
    friends: [
      ['http/', 'openapi/'],
      ['openapi/', 'http/'],
    ],
  },
  {
    root: 'apps/worker/src/',
    rows: [
      ['main.ts'],
      ['worker.ts', 'webhook-worker.ts', 'http.ts', 'limit-changes.ts'],
      ['processors/', 'item-worker.ts'],
      ['verdict.ts', 'links.ts'],
      ['deps.ts'],
      ['governor/', 'upstream/', 'spool/', 'webhooks.ts'],
      ['upstream-keys.ts'],
      ['lane-slots.ts', 'lease.ts', 'item-locks.ts', 'under-way.ts', 'config.ts', 'governor/observation.ts'],
      ['keys-file.ts', 'lane-shares.ts', 'file-threads.ts'],
    ],
  },
];

/** Imports that break a line, as sentences. A file no row holds breaks it too, so new folders have to be placed. */
export function findBrokenLines(files: readonly SourceFile[]): string[] {
  return LINES.flatMap((line) =>
    files
      .filter(({ path }) => path.startsWith(line.root) && !isTestFile(path))
      .flatMap((file) => {
        const from = rowOf(line, file.path);
        if (from === null) return [`${file.path} stands in no row of tests/support-architecture/layers.ts`];
        return ownTargets(file)
          .filter((target) => target.startsWith(line.root) && !mayImport(line, from, rowOf(line, target)))
          .map((target) => `${file.path} must not import ${target}`);
      }),
  );
}

/** Imports that leave their package for one it may not know, or by a relative path. */
export function findStrangers(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, imports }) => {
    const home = Object.keys(PACKAGES).find((folder) => path.startsWith(`${folder}/`)) ?? '';
    const allowed = [home, ...(PACKAGES[home] ?? []), ...(isTestFile(path) ? TEST_HELPERS : [])];
    return imports
      .filter(({ target }) => target !== null && !allowed.some((folder) => isWithin(target, folder)))
      .map(({ specifier }) => `${path} must not import ${specifier}`);
  });
}

/** Code that ships and imports what is there for tests alone. */
export function findTestHelpersInUse(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => !isTestFile(path))
    .flatMap((file) =>
      ownTargets(file)
        .filter(isTestFile)
        .map((target) => `${file.path} must not import ${target}`),
    );
}

/** Routes that import routes. */
export function findRouteImports(files: readonly SourceFile[]): string[] {
  const folder = 'apps/api/src/routes/';
  return files
    .filter(({ path }) => path.startsWith(folder) && !isTestFile(path))
    .flatMap((file) =>
      ownTargets(file)
        .filter((target) => target.startsWith(folder))
        .map((target) => `${file.path} must not import ${target}`),
    );
}

function ownTargets({ imports }: SourceFile): string[] {
  return imports.flatMap(({ target }) => target ?? []);
}

interface Place {
  readonly row: number;
  readonly member: string;
}

/** The most precise member that holds the file. */
function rowOf({ root, rows }: Line, path: string): Place | null {
  const inside = path.slice(root.length);
  const places = rows.flatMap((members, row) =>
    members
      .filter((member) => (member.endsWith('/') ? inside.startsWith(member) : inside === member))
      .map((member) => ({ row, member })),
  );
  return places.sort((a, b) => b.member.length - a.member.length)[0] ?? null;
}

function mayImport({ friends = [] }: Line, from: Place, to: Place | null): boolean {
  if (to === null) return false;
  if (from.row === to.row && from.member !== to.member) {
    return friends.some(([a, b]) => a === from.member && b === to.member);
  }
  return from.row <= to.row;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

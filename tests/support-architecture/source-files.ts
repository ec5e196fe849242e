// Every TypeScript file of the project with what it imports, read by a real parser so that comments and texts can't fool
// the rules. Knows no rule.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EcmaScriptModule, parseSync } from 'oxc-parser';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The folders that hold code; each has to be there. */
export const AREAS = [
  'apps/api',
  'apps/worker',
  'apps/audit',
  'apps/dev',
  'packages/shared',
  'packages/simulator',
  'packages/testing',
  'benchmarks',
  'scripts',
  'tests',
] as const;

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** The file of ours it leads to, from the root; null for packages and Node's own modules. */
  readonly target: string | null;
  /** Nothing of it is left at run time. */
  readonly isTypeOnly: boolean;
}

export interface SourceFile {
  /** From the root, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** The code with comments blanked out. */
  readonly code: string;
  readonly lineCount: number;
  readonly hasDefaultExport: boolean;
  /** Has `export * from …`. */
  readonly reexportsAll: boolean;
}

/** Folders that exist only for tests. */
const TEST_FOLDERS = ['tests/', 'packages/testing/'];

/** Files that exist only for tests: the tests themselves and their helpers (`test-x.ts`, `testing/x.ts`) beside the code. */
export function isTestFile(path: string): boolean {
  if (TEST_FOLDERS.some((folder) => path.startsWith(folder))) return true;
  return path.endsWith('.test.ts') || /\/(testing\/.+|test-[^/]+)\.ts$/.test(path);
}

/** All files of the areas; throws when one can't be parsed. */
export function readSourceFiles(): readonly SourceFile[] {
  const paths = globSync(
    AREAS.map((area) => `${area}/**/*.ts`),
    { cwd: ROOT, exclude: (name) => name === 'node_modules' },
  );
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map(readSourceFile);
}

function readSourceFile(path: string): SourceFile {
  const source = readFileSync(join(ROOT, path), 'utf8');
  const { module, comments, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} can't be parsed: ${errors[0]?.message}`);
  const exported = module.staticExports.flatMap((statement) => statement.entries);
  return {
    path,
    imports: importsOf(module, source).map(({ specifier, isTypeOnly }) => ({
      specifier,
      target: targetOf(path, specifier),
      isTypeOnly,
    })),
    code: withoutComments(source, comments),
    lineCount: source.trimEnd().split('\n').length,
    hasDefaultExport: exported.some(({ exportName }) => kindOf(exportName) === 'Default'),
    reexportsAll: exported.some(({ importName }) => kindOf(importName).startsWith('All')),
  };
}

/** The parser's own enum as text. */
function kindOf(name: { readonly kind: string }): string {
  return name.kind;
}

function importsOf(module: EcmaScriptModule, source: string): { specifier: string; isTypeOnly: boolean }[] {
  const imported = module.staticImports.map(({ moduleRequest, entries }) => ({
    specifier: moduleRequest.value,
    isTypeOnly: entries.length > 0 && entries.every((entry) => entry.isType),
  }));
  const reexported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) =>
      moduleRequest === null ? [] : [{ specifier: moduleRequest.value, isTypeOnly: isType }],
    ),
  );
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest }) => {
    const text = /^(['"`])([^$]*)\1$/.exec(source.slice(moduleRequest.start, moduleRequest.end))?.[2];
    return text === undefined ? [] : [{ specifier: text, isTypeOnly: false }];
  });
  return [...imported, ...reexported, ...dynamic];
}

/** `@darkroom/shared/x.ts` and `./x.ts` as paths from the root. */
function targetOf(from: string, specifier: string): string | null {
  if (specifier.startsWith('.')) return normalize(join(dirname(from), specifier)).replaceAll('\\', '/');
  const [, name, rest] = /^@darkroom\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  if (name === undefined || rest === undefined) return null;
  const folder = AREAS.find((area) => area.endsWith(`/${name}`));
  if (folder === undefined) throw new Error(`${from} imports ${specifier}, which is no package of ours`);
  return `${folder}/src/${rest}`;
}

function withoutComments(source: string, comments: readonly { start: number; end: number }[]): string {
  let code = '';
  let at = 0;
  for (const { start, end } of comments) {
    code += source.slice(at, start);
    at = end;
  }
  return code + source.slice(at);
}

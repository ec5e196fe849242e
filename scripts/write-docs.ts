// Writes the README's table of configuration variables from the declarations the processes themselves read.
//   node scripts/write-docs.ts            writes README.md
//   node scripts/write-docs.ts --check    exits 1 when README.md is stale
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configurationTable, replaceConfiguration } from './configuration-table.ts';

const README = fileURLToPath(new URL('../README.md', import.meta.url));

const now = readFileSync(README, 'utf8');
const wanted = replaceConfiguration(now, configurationTable());
const isStale = wanted !== now;

if (process.argv.includes('--check')) {
  console.log(isStale ? 'README.md is stale: run `npm run docs`.' : 'README.md is up to date.');
  process.exitCode = isStale ? 1 : 0;
} else {
  if (isStale) writeFileSync(README, wanted);
  console.log(isStale ? 'README.md: configuration table written.' : 'README.md is up to date.');
}

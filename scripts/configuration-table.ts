// The README's configuration table, made from the variables api and worker declare.

import { apiVariables } from '../apps/api/src/config.ts';
import { workerVariables } from '../apps/worker/src/config.ts';
import type { Variable, Variables } from '../packages/shared/src/base/config.ts';

const START = '<!-- configuration -->';
const END = '<!-- /configuration -->';
const HEAD = ['Variable', 'Used by', 'Default', 'What it is', 'Allowed'];

interface Row {
  readonly name: string;
  readonly usedBy: string;
  readonly declared: Variable<unknown>;
}

/** All variables as one Markdown table: those of both processes first, then the API's, then the worker's. */
export function configurationTable(): string {
  const rows = rowsOf(apiVariables, workerVariables).map(({ name, usedBy, declared }) => [
    `\`${name}\``,
    usedBy,
    defaultOf(declared),
    declared.about,
    declared.allowed,
  ]);
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`).join('\n');
}

/** The text with what stands between the two markers replaced. Throws when a marker isn't there exactly once. */
export function replaceConfiguration(markdown: string, table: string): string {
  const [before, rest, ...more] = markdown.split(START);
  const [, after, ...evenMore] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined || more.length + evenMore.length > 0) {
    throw new Error(`the text needs ${START} and, after it, ${END}, once each`);
  }
  return `${before}${START}\n\n${table}\n\n${END}${after}`;
}

/** A variable both declare alike is one row; one they declare differently (PORT) is a row each. */
function rowsOf(api: Variables, worker: Variables): Row[] {
  const both = Object.entries(api).filter(([name, declared]) => worker[name] === declared);
  const isShared = ([name]: [string, unknown]): boolean => both.some(([shared]) => shared === name);
  const rows = (usedBy: string, entries: readonly [string, Variable<unknown>][]): Row[] =>
    entries.map(([name, declared]) => ({ name, usedBy, declared }));
  return [
    ...rows('both', both),
    ...rows(
      'api',
      Object.entries(api).filter((entry) => !isShared(entry)),
    ),
    ...rows(
      'worker',
      Object.entries(worker).filter((entry) => !isShared(entry)),
    ),
  ];
}

function defaultOf(declared: Variable<unknown>): string {
  if (declared.requiredUnless !== null) return `**required**, or \`${declared.requiredUnless}\``;
  return declared.default === undefined || declared.default === '' ? '' : `\`${declared.default}\``;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

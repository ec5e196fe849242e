// What is written down agrees with what the processes read.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configurationTable, replaceConfiguration } from '../scripts/configuration-table.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

describe("the README's configuration table", () => {
  it('is the one the declared variables make (npm run docs writes it)', () => {
    expect(readme).toBe(replaceConfiguration(readme, configurationTable()));
  });

  it('names each variable once for each process that reads it differently', () => {
    const rows = configurationTable().split('\n').slice(2);
    const names = rows.map((row) => /^\| `([A-Z0-9_]+)` \| (api|worker|both) \|/.exec(row)?.slice(1).join(' '));
    expect(names).toContain('REDIS_URL both');
    expect(names).toContain('PORT api');
    expect(names).toContain('PORT worker');
    expect(names).toContain('OPENAI_API_KEY worker');
    expect(new Set(names).size).toBe(rows.length);
  });

  it('says which variables must be set', () => {
    expect(configurationTable()).toMatch(/`OPENAI_API_KEY` \| worker \| \*\*required\*\*/);
  });

  it('goes between the markers and nowhere else', () => {
    const text = 'a\n<!-- configuration -->\nold\n<!-- /configuration -->\nb\n';
    expect(replaceConfiguration(text, 'new')).toBe('a\n<!-- configuration -->\n\nnew\n\n<!-- /configuration -->\nb\n');
    expect(() => replaceConfiguration('no markers', 'new')).toThrow('needs <!-- configuration -->');
    expect(() => replaceConfiguration(`${text}${text}`, 'new')).toThrow('once each');
  });
});

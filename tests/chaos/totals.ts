// Many seeds in one table: the figures in sum, in how many runs each state was reached and each fault was met, and what
// each seed took. A fault that was never met proves nothing, whatever the figures say.
import type { Run } from './run-plan.ts';

export interface Totals {
  add(run: Run): void;
  toTable(): string;
}

interface Tally {
  planned: number;
  met: number;
  times: number;
}

export function openTotals(): Totals {
  const figures = new Map<string, number>();
  const [states, faults] = [new Map<string, Tally>(), new Map<string, Tally>()];
  const seconds: number[] = [];
  return {
    add({ findings, played, seconds: took }) {
      seconds.push(took);
      for (const [name, value] of Object.entries(findings.figures)) figures.set(name, (figures.get(name) ?? 0) + value);
      count(states, played.hits);
      count(faults, played.felt);
    },
    toTable() {
      const kills = [...states.values()].reduce((sum, { times }) => sum + times, 0);
      return [
        `${seconds.length} runs, ${Math.min(...seconds).toFixed(0)} to ${Math.max(...seconds).toFixed(0)} s, median ${median(seconds).toFixed(0)} s`,
        ...[...figures].map(([name, value]) => `  ${name.padEnd(56)} ${Math.round(value * 100) / 100}`),
        `kills in named states: ${kills}`,
        ...toLines(states),
        'faults: runs that met them, of those that had them, and how often in all',
        ...toLines(faults),
      ].join('\n');
    },
  };
}

function count(tallies: Map<string, Tally>, times: ReadonlyMap<string, number>): void {
  for (const [name, met] of times) {
    const tally = tallies.get(name) ?? { planned: 0, met: 0, times: 0 };
    tallies.set(name, { planned: tally.planned + 1, met: tally.met + (met > 0 ? 1 : 0), times: tally.times + met });
  }
}

function toLines(tallies: ReadonlyMap<string, Tally>): string[] {
  return [...tallies]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, { planned, met, times }]) => {
      const missed = met < planned ? `, not in ${planned - met}` : '';
      return `  ${name.padEnd(56)} ${met} of ${planned}, ${times} times${missed}`;
    });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

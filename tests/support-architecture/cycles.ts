// Finds import cycles: groups of files that reach each other (strongly connected components, Tarjan).
import type { SourceFile } from './source-files.ts';

/** Each group of files that import each other at run time, sorted; [] when there is none. */
export function findCycles(files: readonly SourceFile[]): string[][] {
  const targets = new Map(files.map((file) => [file.path, runTimeTargets(file)]));
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];

  const visit = (path: string): number => {
    const number = order.size;
    order.set(path, number);
    let low = number;
    open.push(path);
    for (const target of targets.get(path) ?? []) {
      if (!targets.has(target)) continue;
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (open.includes(target)) low = Math.min(low, lowest.get(target) ?? order.get(target) ?? low);
    }
    lowest.set(path, low);
    if (low === number) {
      const group = open.splice(open.indexOf(path));
      if (group.length > 1 || (targets.get(path) ?? []).includes(path)) cycles.push(group.sort());
    }
    return low;
  };
  for (const { path } of files) if (!order.has(path)) visit(path);
  return cycles;
}

function runTimeTargets({ imports }: SourceFile): string[] {
  return imports.flatMap(({ target, isTypeOnly }) => (target === null || isTypeOnly ? [] : [target]));
}

// The keys in a folder of the disk store.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from './files.ts';
import { isKey } from './keys.ts';

/** Keys below `folder` that start with `prefix`, in the order of whole keys: `a-b` < `a/b` < `a0`. */
export async function* walk(root: string, folder: string, prefix: string): AsyncIterable<string> {
  const entries = (await readdir(join(root, folder), { withFileTypes: true }).catch(ignoreMissing)) ?? [];
  const names = entries.filter((entry) => entry.isFile() || entry.isDirectory());
  const paths = names.map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`).sort();
  for (const path of paths) {
    if (path.endsWith('/')) {
      const mayHold = path.startsWith(prefix) || prefix.startsWith(path);
      if (mayHold && isKey(path.slice(0, -1))) yield* walk(root, path, prefix);
    } else if (path.startsWith(prefix) && isKey(path)) {
      yield path;
    }
  }
}

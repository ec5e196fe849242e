// Which Lua script a command runs. A script's text goes over the wire at least once before its SHA alone does, and it ends
// with the step's own file, whatever library stands before it.
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** BullMQ's, by how they begin. */
const FOREIGN: readonly (readonly [name: string, beginning: string])[] = [
  ['bullmq-add', 'Adds a prioritized job to the queue'],
  ['bullmq-add', 'Adds a job to the queue by doing'],
  ['bullmq-take', 'Move next job to be processed to active'],
  ['bullmq-finish', 'Move job from active to a finished status'],
];

export class Scripts {
  readonly #steps: readonly (readonly [name: string, lua: string])[];
  readonly #names = new Map<string, string | null>();

  constructor() {
    const files = globSync('{packages,apps}/*/src/**/*.lua', { cwd: ROOT });
    if (files.length === 0) throw new Error('no Lua steps found');
    this.#steps = files.map((file) => [basename(file, '.lua'), readFileSync(join(ROOT, file), 'utf8')]);
  }

  /** The script that EVAL, EVALSHA or SCRIPT LOAD speaks of; null for another command, and for a script nobody knows. */
  nameOf(words: readonly string[]): string | null {
    const [command = '', first = '', second = ''] = words;
    switch (command.toUpperCase()) {
      case 'EVAL':
        return this.#learn(first);
      case 'EVALSHA':
        return this.#names.get(first) ?? null;
      case 'SCRIPT':
        return first.toUpperCase() === 'LOAD' ? this.#learn(second) : null;
      default:
        return null;
    }
  }

  #learn(lua: string): string | null {
    const sha = createHash('sha1').update(lua).digest('hex');
    const known = this.#names.get(sha);
    if (known !== undefined) return known;
    const name = this.#find(lua);
    this.#names.set(sha, name);
    return name;
  }

  #find(lua: string): string | null {
    const foreign = FOREIGN.find(([, beginning]) => lua.slice(0, 200).includes(beginning));
    return foreign?.[0] ?? this.#steps.find(([, step]) => lua.endsWith(step))?.[0] ?? null;
  }
}

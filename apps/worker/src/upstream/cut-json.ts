// JSON that broke off: what of it had come whole. Pure.

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']' };
const BLANK = /\s/;

/**
 * The text of an object up to its last value that is whole, with all that is open closed behind it; null when no value is. A
 * string is whole with its quote, a number or a word only when something follows. What stands behind a whole object is left
 * out. A text that is no JSON may come out as one that is none either.
 */
export function closeCutJson(text: string): string | null {
  /** How what is open ends, the outermost first. */
  const open: string[] = [];
  let whole: { readonly length: number; readonly depth: number } | null = null;
  /** The character before, blanks left out. */
  let before = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (BLANK.test(character)) continue;
    if (open.length === 0 && character !== '{') break;
    const closing = CLOSING[character];
    if (character === '"') {
      const isName = open.at(-1) === '}' && before !== ':';
      at = endOfString(text, at);
      if (at === -1) break;
      if (!isName) whole = { length: at + 1, depth: open.length };
    } else if (closing !== undefined) {
      open.push(closing);
    } else if (character === ',') {
      whole = { length: at, depth: open.length };
    } else if (character === open.at(-1)) {
      open.pop();
      whole = { length: at + 1, depth: open.length };
      if (open.length === 0) break;
    }
    before = character;
  }
  // What was open there is still: whatever closes a value is itself the end of one.
  return whole && text.slice(0, whole.length) + open.slice(0, whole.depth).toReversed().join('');
}

/** Where its closing quote stands; -1 when it has not come. */
function endOfString(text: string, quote: number): number {
  for (let at = text.indexOf('"', quote + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text[first - 1] === '\\') first -= 1;
    if ((at - first) % 2 === 0) return at;
  }
  return -1;
}

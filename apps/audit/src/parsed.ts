// A damaged record is a finding, never a reason to stop.

/** What `parse` returns; null when it throws. */
export function parsed<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null; // said as a finding by whoever looks at the record itself
  }
}

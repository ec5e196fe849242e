// One line of the result table, and how numbers are written in it.

export interface Row {
  readonly what: string;
  readonly measured: string;
  /** What the same machine can do at best, measured in the same run; '' when there is nothing to compare with. */
  readonly ceiling: string;
  readonly ratio: string;
}

export function perSecond(rate: number): string {
  return `${Math.round(rate)}/s`;
}

export function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

export function ratio(measured: number, ceiling: number): string {
  return (measured / ceiling).toFixed(2);
}

/** The value below which `share` (0..1) of the sorted values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

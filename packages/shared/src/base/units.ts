// Units that appear all over: durations as operators write them, money as integer micro-USD.

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `15m`, `12h`, `30d` → ms; `forever` → Infinity; anything else → null. */
export function parseDurationMs(text: string): number | null {
  if (text === 'forever') return Number.POSITIVE_INFINITY;
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  if (!match) return null;
  return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
}

/** Integer micro-USD → the dollars shown in JSON (at most six decimals, no binary dust). */
export function toUsd(microUsd: number | null): number | null {
  return microUsd === null ? null : Math.round(microUsd) / 1_000_000;
}

/** Unix milliseconds → the unix seconds of every public time; null stays null. */
export function toUnixSeconds(ms: number | null): number | null {
  return ms === null ? null : Math.floor(ms / 1_000);
}

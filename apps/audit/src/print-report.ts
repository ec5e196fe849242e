// A report as people read it: a table by kind, then what was looked at. Pure.
import type { KindReport, Report } from './report.ts';

export function toText(report: Report): string {
  const rows = report.kinds.map((kind) => [
    kind.isProblem ? 'problem' : 'note',
    kind.kind,
    String(kind.count),
    kind.about,
  ]);
  const table = rows.length === 0 ? [] : [...alignRows([['', 'kind', 'count', 'what it is'], ...rows]), ''];
  return [...table, ...report.kinds.flatMap(findingsOf), moneyOf(report), lookedAt(report)].join('\n');
}

function alignRows(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function findingsOf({ kind, count, findings }: KindReport): string[] {
  const lines = findings.map(({ subject, detail }) => `  ${subject}${detail === '' ? '' : `  ${detail}`}`);
  const more = count - findings.length;
  return [`${kind}:`, ...lines, ...(more > 0 ? [`  … and ${more} more (--all shows them)`] : []), ''];
}

function moneyOf({ money }: Report): string {
  const usd = (microUsd: number): string => `$${(microUsd / 1_000_000).toFixed(6)}`;
  const unpriced = money.unpriced === 0 ? '' : ` and ${money.unpriced} attempts of unknown price`;
  const unbounded = money.unboundedExtra === 0 ? '' : ` and ${money.unboundedExtra} attempts without a bound`;
  return `billed ${usd(money.billedMicroUsd)}${unpriced}, possibly ${usd(money.possibleExtraMicroUsd)}${unbounded} more`;
}

function lookedAt({ looked, problems }: Report): string {
  const { jobs, images, attempts } = looked;
  return `${jobs} jobs, ${images} images, ${attempts} attempts looked at; ${problems} problems\n`;
}

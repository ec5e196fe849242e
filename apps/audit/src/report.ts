// Gathers findings. A live system moves while it is read, so whatever is suspicious is looked at again after a moment, and
// only what is found both times is reported.
import { setTimeout as pause } from 'node:timers/promises';
import { eachLimited } from './each-limited.ts';
import { type Finding, type FindingKind, identityOf, KINDS } from './findings.ts';

export interface Looked {
  jobs: number;
  images: number;
  attempts: number;
  batches: number;
  files: number;
  deliveries: number;
}

export interface Money {
  /** What attempts have cost, each counted once. */
  billedMicroUsd: number;
  /** Paid attempts without a known price. */
  unpriced: number;
  /** Upper bound over attempts whose outcome is unknown. */
  possibleExtraMicroUsd: number;
  /** Attempts that may have cost more, nobody knows how much. */
  unboundedExtra: number;
}

export interface KindReport {
  readonly kind: FindingKind;
  readonly isProblem: boolean;
  readonly about: string;
  readonly count: number;
  /** The first of them. */
  readonly findings: readonly Finding[];
}

export interface Report {
  readonly looked: Readonly<Looked>;
  readonly money: Readonly<Money>;
  /** 0 in a system in good order. */
  readonly problems: number;
  /** Kinds that were found, problems first. */
  readonly kinds: readonly KindReport[];
}

export interface ReportOptions {
  /** How long to wait before the second look, ms. */
  readonly settleMs: number;
  /** Findings kept of each kind; all are counted. */
  readonly examples: number;
}

interface Suspect {
  readonly findings: readonly Finding[];
  readonly again: () => Promise<readonly Finding[]>;
}

/** So many suspects are looked at a second time together; bounds what is held in memory. */
const SUSPECTS_AT_ONCE = 2_000;
const LOOKS_AT_ONCE = 16;

export class ReportBook {
  readonly looked: Looked = { jobs: 0, images: 0, attempts: 0, batches: 0, files: 0, deliveries: 0 };
  readonly money: Money = { billedMicroUsd: 0, unpriced: 0, possibleExtraMicroUsd: 0, unboundedExtra: 0 };
  readonly #options: ReportOptions;
  readonly #found = new Map<FindingKind, { count: number; findings: Finding[] }>();
  readonly #identities = new Set<string>();
  #suspects: Suspect[] = [];

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** For what can't change while it is looked at. What was found before, on another way, is not counted again. */
  add(finding: Finding): void {
    const identity = identityOf(finding);
    if (this.#identities.has(identity)) return;
    this.#identities.add(identity);
    const found = this.#found.get(finding.kind) ?? { count: 0, findings: [] };
    this.#found.set(finding.kind, found);
    found.count += 1;
    if (found.findings.length < this.#options.examples) found.findings.push(finding);
  }

  /** For everything else: `again` looks once more, from the beginning. */
  async suspect(findings: readonly Finding[], again: Suspect['again']): Promise<void> {
    if (findings.length === 0) return;
    this.#suspects.push({ findings, again });
    if (this.#suspects.length >= SUSPECTS_AT_ONCE) await this.#lookAgain();
  }

  async #lookAgain(): Promise<void> {
    const suspects = this.#suspects;
    this.#suspects = [];
    if (suspects.length === 0) return;
    await pause(this.#options.settleMs);
    await eachLimited(suspects, LOOKS_AT_ONCE, async ({ findings, again }) => {
      const still = new Set((await again()).map(identityOf));
      for (const finding of findings) if (still.has(identityOf(finding))) this.add(finding);
    });
  }

  /** Takes the second look at what is left. */
  async close(): Promise<Report> {
    await this.#lookAgain();
    const kinds = (Object.keys(KINDS) as FindingKind[]).flatMap((kind): KindReport[] => {
      const found = this.#found.get(kind);
      return found === undefined ? [] : [{ kind, ...KINDS[kind], ...found }];
    });
    const problems = kinds.filter(({ isProblem }) => isProblem);
    return {
      looked: this.looked,
      money: this.money,
      problems: problems.reduce((sum, { count }) => sum + count, 0),
      kinds: [...problems, ...kinds.filter(({ isProblem }) => !isProblem)],
    };
  }
}

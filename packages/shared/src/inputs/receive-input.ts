// A body becomes a held input: into a temporary file, hashed and counted on the way, then inspected.
import type { AsideFile, HeldInput } from './held.ts';
import { inspectInput } from './inspect-input.ts';
import { readFacts } from './steps.ts';
import type { DeskTools } from './tools.ts';

export interface Receipt {
  readonly param: string;
  readonly maxBytes: number;
  /** Whose: bytes this account has in storage were measured then and need not be decoded again. Null: not known. */
  readonly account: string | null;
  readonly signal?: AbortSignal | undefined;
}

/** Throws what the body throws, and what `Aside.put` and `inspectInput` throw; then nothing is held. */
export async function receiveInput(
  tools: DeskTools,
  body: AsyncIterable<Uint8Array>,
  receipt: Receipt,
): Promise<HeldInput> {
  const file = await tools.aside.put(receipt.param, body, receipt.maxBytes, receipt.signal);
  return await holdFile(tools, file, receipt);
}

/** The same for a file that is here. */
export async function holdFile(
  tools: DeskTools,
  file: AsideFile,
  { param, account, signal }: Omit<Receipt, 'maxBytes'>,
): Promise<HeldInput> {
  try {
    const known = account === null ? null : await readFacts(tools, account, file.sha256);
    return { facts: known ?? (await inspectInput(param, file, tools.decoding, signal)), path: file.path };
  } catch (error) {
    await tools.aside.remove(file.path);
    throw error;
  }
}

/** Removes temporary files. Never throws. */
export async function releaseInputs(tools: DeskTools, held: readonly Pick<HeldInput, 'path'>[]): Promise<void> {
  await Promise.all(held.map(async ({ path }) => path !== null && (await tools.aside.remove(path))));
}

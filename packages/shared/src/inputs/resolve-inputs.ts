// Takes in what a JSON body names: files, URLs and data URLs, all at once, each distinct one once, and tells every
// problem there is.
import { ServiceError } from '../base/errors.ts';
import { allOf, type InputSet, mapInputs, type PlacedReference, type Reference } from '../requests/inputs.ts';
import { bytesOfDataUrl } from './data-url.ts';
import { fetchInput, shownUrl } from './fetch-input.ts';
import { findInputFile } from './find-file.ts';
import type { HeldInput, TakenInput } from './held.ts';
import { MAX_INPUT_BYTES } from './limits.ts';
import { tooLargeTogether } from './problems.ts';
import { receiveInput, releaseInputs } from './receive-input.ts';
import type { DeskTools } from './tools.ts';

/** Bytes the images of one request may still have together. */
interface Budget {
  readonly maxBytes: number;
  leftBytes: number;
}

/** One reference on its way. */
interface Errand {
  readonly account: string;
  readonly placed: PlacedReference;
  readonly budget: Budget;
  readonly signal: AbortSignal | undefined;
}

/**
 * Throws one ServiceError for all problems, each with its `param`; a failure of ours (storage, Redis, an abort) is thrown
 * alone. Then nothing is held.
 */
export async function resolveInputs(
  tools: DeskTools,
  account: string,
  references: InputSet<PlacedReference>,
  signal?: AbortSignal,
): Promise<InputSet<TakenInput>> {
  const { maxUploadBytes } = tools;
  const budget = { maxBytes: maxUploadBytes, leftBytes: maxUploadBytes };
  const distinct = distinctOf(allOf(references));
  const settled = await Promise.allSettled(
    [...distinct.values()].map((placed) => take(tools, { account, placed, budget, signal })),
  );
  const taken = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const failures = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  if (failures.length > 0) {
    await releaseInputs(tools, taken);
    throw joined(failures);
  }
  const held = new Map([...distinct.keys()].map((name, at) => [name, taken[at]]));
  return mapInputs(references, (placed) => toTaken(placed, held.get(identityOf(placed.reference))));
}

/** Each reference where it stands first. */
function distinctOf(references: readonly PlacedReference[]): ReadonlyMap<string, PlacedReference> {
  const distinct = new Map<string, PlacedReference>();
  for (const placed of references) {
    const identity = identityOf(placed.reference);
    if (!distinct.has(identity)) distinct.set(identity, placed);
  }
  return distinct;
}

function identityOf(reference: Reference): string {
  if (reference.kind === 'file') return `file ${reference.fileId}`;
  return reference.kind === 'url' ? `url ${reference.url}` : `data ${reference.dataUrl}`;
}

async function take(tools: DeskTools, { account, placed, budget, signal }: Errand): Promise<HeldInput> {
  const { reference } = placed;
  const param = `${placed.param}.${reference.kind === 'file' ? 'file_id' : 'image_url'}`;
  if (reference.kind === 'file') return await findInputFile(tools, account, param, reference.fileId);
  const receipt = { param, account, maxBytes: MAX_INPUT_BYTES, signal };
  const receive = (body: AsyncIterable<Uint8Array>) => receiveInput(tools, within(budget, param, body), receipt);
  if (reference.kind === 'data') return await receive(bytesOfDataUrl(param, reference.dataUrl));
  const place = await tools.fetches.take(account, signal);
  try {
    return await fetchInput(tools.agent, param, reference.url, receive, signal);
  } finally {
    place.free();
  }
}

/** A body that breaks off gives back what it took: it may be asked for again. */
async function* within(
  budget: Budget,
  param: string,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let takenBytes = 0;
  let isWhole = false;
  try {
    for await (const chunk of body) {
      takenBytes += chunk.byteLength;
      budget.leftBytes -= chunk.byteLength;
      if (budget.leftBytes < 0) throw tooLargeTogether(param, budget.maxBytes);
      yield chunk;
    }
    isWhole = true;
  } finally {
    if (!isWhole) budget.leftBytes += takenBytes;
  }
}

function joined(failures: readonly unknown[]): unknown {
  const problems = failures.filter((each) => each instanceof ServiceError && each.status < 500) as ServiceError[];
  return failures.find((each) => !problems.includes(each as ServiceError)) ?? ServiceError.ofProblems(problems);
}

function toTaken({ param, reference }: PlacedReference, held: HeldInput | undefined): TakenInput {
  if (held === undefined) throw new TypeError(`the image of '${param}' was not taken in`);
  return { image: { param, shown: shownOf(reference), facts: held.facts }, held };
}

/** Data URLs are not kept: they are the image itself. */
function shownOf(reference: Reference): { readonly file_id?: string; readonly image_url?: string } {
  if (reference.kind === 'file') return { file_id: reference.fileId };
  return reference.kind === 'url' ? { image_url: shownUrl(reference.url) } : {};
}

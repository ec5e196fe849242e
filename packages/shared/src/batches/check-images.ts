// What can be known of a line's images before anything is spent: files and data URLs are looked at as they will be when the
// line is fed; links are fetched only then.
import { ServiceError } from '../base/errors.ts';
import type { HeldInput, InputDesk } from '../inputs/desk.ts';
import { type Checked, prepareInputs } from '../inputs/prepare.ts';
import { allOf, type InputImage, type InputSet, type PlacedReference } from '../requests/inputs.ts';
import type { Submission } from '../requests/submission.ts';

/** Every problem of the images of a valid line; empty when there is none. `check`: the line's, with images. */
export type ImageCheck = (
  references: InputSet<PlacedReference>,
  check: (inputs: InputSet<InputImage> | null) => Checked<Submission>,
) => Promise<readonly ServiceError[]>;

/** The check throws StorageError, or Redis' error, when that is away: nothing is known then. */
export function buildImageCheck(desk: InputDesk, account: string): ImageCheck {
  return async (references, check) => {
    try {
      await desk.release(await takeIn(desk, account, references, check));
      return [];
    } catch (error) {
      if (!(error instanceof ServiceError) || error.status >= 500) throw error;
      return error.details.length > 0 ? error.details : [error];
    }
  };
}

async function takeIn(
  desk: InputDesk,
  account: string,
  references: InputSet<PlacedReference>,
  check: Parameters<ImageCheck>[1],
): Promise<readonly HeldInput[]> {
  const here = allOf(references).filter(({ reference }) => reference.kind !== 'url');
  // How images fit together shows only when all are here.
  if (here.length === allOf(references).length) return (await prepareInputs(desk, account, check, null)).held;
  const taken = await desk.resolve(account, { images: here, mask: null, markup: null });
  return taken.images.map(({ held }) => held);
}

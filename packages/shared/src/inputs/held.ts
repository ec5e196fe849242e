// Input images between their arrival and their place in storage.
import type { InputFacts, InputImage } from '../requests/inputs.ts';

/** A temporary file, hashed while it was written. */
export interface AsideFile {
  readonly path: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** An inspected image. */
export interface HeldInput {
  readonly facts: InputFacts;
  /** The temporary file its bytes are in; null: they are in storage already. */
  readonly path: string | null;
}

/** A held image and where its request has it. */
export interface TakenInput {
  readonly image: InputImage;
  readonly held: HeldInput;
}

// Faults of the S3 simulator that concern single objects, and how often any fault has acted.
import type { S3Process } from './s3.ts';

interface ObjectFault {
  readonly kind: 'not_found' | 'status' | 'hang' | 'reset_after_store';
  readonly operation: 'Get' | 'Head' | 'Put';
  readonly keyContains: string;
  readonly count?: number;
  /** Matching requests to let pass first. */
  readonly after?: number;
  readonly params?: Readonly<Record<string, unknown>>;
}

export async function breakObjects(s3: S3Process, ...faults: readonly ObjectFault[]): Promise<void> {
  for (const fault of faults) {
    const reply = await fetch(faultsOf(s3), { method: 'POST', body: JSON.stringify(fault) });
    if (!reply.ok) throw new Error(await reply.text());
  }
}

/** From now on what lies under keys that contain a text is not there, or can't be read (403: the SDK does not try again). */
export async function breakReading(s3: S3Process, kind: 'not_found' | 'status', keyContains: string): Promise<void> {
  const fault = { kind, keyContains, params: kind === 'status' ? { status: 403 } : {} };
  await breakObjects(s3, { ...fault, operation: 'Get' }, { ...fault, operation: 'Head' });
}

/** Requests the faults now set have spoilt, all together. */
export async function timesActed(s3: S3Process): Promise<number> {
  const { faults } = (await (await fetch(faultsOf(s3))).json()) as { faults: readonly { hits: number }[] };
  return faults.reduce((sum, { hits }) => sum + hits, 0);
}

function faultsOf(s3: S3Process): string {
  return `${s3.env['AWS_ENDPOINT_URL_S3']}/_sim/faults`;
}

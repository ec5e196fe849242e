// Whether a job's record must still be there, told from its id alone: the first ten characters of a ULID are the time it
// was made at, unix ms in Crockford's base 32.

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** False also for what is no id of a job. Records are kept from a job's end on, so never shorter than from its making. */
export function isStillKept(jobId: string, now: number, retentionMs: number): boolean {
  const time = /^job_([0-9a-z]{10})[0-9a-z]{16}(?:-\d+)?$/.exec(jobId)?.[1];
  if (time === undefined) return false;
  const madeAt = time.split('').reduce((sum, character) => sum * 32 + ALPHABET.indexOf(character), 0);
  return madeAt + retentionMs > now;
}

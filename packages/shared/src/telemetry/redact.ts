// Takes secrets and image bytes out of a finished log line. It works on text, so it also catches what hides in a
// message, a URL or the cause of an error; known fields are removed before by pino's own `redact` (logger.ts).

/** The shortest run of base64 characters taken for bytes; ids, hashes and signatures are shorter. */
const SHORTEST_BASE64 = 256;

const BASE64_RUN = new RegExp(`[A-Za-z0-9+/_-]{${SHORTEST_BASE64},}={0,2}`, 'g');

const SECRETS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/\b(sk|dk|whsec|whsk)([-_])[A-Za-z0-9_+/=-]{6,}/g, '$1$2[redacted]'],
  [/\bAKIA[A-Z0-9]{12,}/g, 'AKIA[redacted]'],
  [/\b(Bearer|Basic)\s+[^\s"'\\,]+/gi, '$1 [redacted]'],
  [/(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"'\\]+/gi, '$1[redacted]'],
  [/([?&]sig=)[^&\s"'\\]+/g, '$1[redacted]'],
  [/(\brediss?:\/\/)[^\s"'\\/@]*@/gi, '$1[redacted]@'],
];

/** The line without API keys, webhook secrets, signatures, Redis passwords and runs of base64. JSON stays JSON. */
export function redactLine(line: string): string {
  let redacted = line;
  for (const [pattern, replacement] of SECRETS) redacted = redacted.replace(pattern, replacement);
  return redacted.length < SHORTEST_BASE64 ? redacted : redacted.replace(BASE64_RUN, (run) => `[base64 ${run.length}]`);
}

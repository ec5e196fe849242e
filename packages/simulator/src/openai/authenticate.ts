/** The bearer key of a request. */
import { incorrectApiKey, missingApiKey } from './fault-replies.ts';

/** Returns the key's last 4 characters; throws the 401 of a missing or unknown key. `accepted` null = any key. */
export function requireApiKey(accepted: ReadonlySet<string> | null, authorization: string | undefined): string {
  const key = /^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1];
  if (key === undefined) throw missingApiKey();
  if (accepted !== null && !accepted.has(key)) throw incorrectApiKey(maskKey(key));
  return key.slice(-4);
}

function maskKey(key: string): string {
  return key.length <= 8 ? '*'.repeat(key.length) : `${key.slice(0, 3)}${'*'.repeat(key.length - 7)}${key.slice(-4)}`;
}

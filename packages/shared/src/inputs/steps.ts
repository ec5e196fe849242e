// The life of an input image in storage, as typed functions over the Lua steps. Each step is atomic.
//
//   (nothing) ──keep──▶ kept until … ──due, no file holds it──▶ claimed ──bytes deleted, drop──▶ (nothing)
//                          ▲    └─ keep: a later time stands      │
//                          └──── keep, 4 min after the claim ─────┘
//
// Keeping comes before looking whether the bytes are there, and a claim makes it wait: so bytes that were seen stay.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript } from '../base/redis.ts';
import type { InputFacts } from '../requests/inputs.ts';

const KEEP = loadScript(import.meta.url, 'lua/keep-inputs.lua');
const CLAIM = loadScript(import.meta.url, 'lua/claim-input.lua');
const DROP = loadScript(import.meta.url, 'lua/drop-input.lua');

/** A sweep that has not come back by then is taken for dead: a delete at S3 has 180 s, and must have ended by then. */
export const CLAIM_LIFE_MS = 240_000;
const CLAIM_POLL_MS = 100;

export interface InputSteps {
  readonly redis: Redis;
  readonly keys: Keys;
}

/** What is to be kept; without facts it has to be there already. */
export interface KeptInput {
  readonly sha256: string;
  readonly facts: InputFacts | null;
}

function memberOf(account: string, sha256: string): string {
  return `${account}/${sha256}`;
}

/**
 * Keeps all of them until a time (unix ms, may be Infinity) or, when one that has to be there is not, none: then false.
 * Waits for those who are removing one of them.
 */
export async function keepInputs(
  { redis, keys }: InputSteps,
  account: string,
  inputs: readonly KeptInput[],
  untilMs: number,
): Promise<boolean> {
  const until = Number.isFinite(untilMs) ? Math.ceil(untilMs) : '+inf';
  const names = [keys.inputs, ...inputs.map(({ sha256 }) => keys.input(account, sha256))];
  const values = inputs.flatMap(({ sha256, facts }) => [
    memberOf(account, sha256),
    facts === null ? '' : JSON.stringify(facts),
  ]);
  for (;;) {
    const answer = await runScript(redis, KEEP, names, [until, CLAIM_LIFE_MS, ...values]);
    if (answer !== 'claimed') return answer === 'kept';
    await pause(CLAIM_POLL_MS);
  }
}

/** What was measured of an account's input image, or null when it is not in storage. */
export async function readFacts(
  { redis, keys }: InputSteps,
  account: string,
  sha256: string,
): Promise<InputFacts | null> {
  const json = await redis.hget(keys.input(account, sha256), 'facts');
  return json === null ? null : (JSON.parse(json) as InputFacts);
}

export interface DueInput {
  readonly account: string;
  readonly sha256: string;
}

/** Inputs no job needs any more, those that are due longest first. */
export async function dueInputs({ redis, keys }: InputSteps, now: number, limit: number): Promise<DueInput[]> {
  const members = await redis.zrangebyscore(keys.inputs, '-inf', now, 'LIMIT', 0, limit);
  return members.map((member) => {
    const [account = '', sha256 = ''] = member.split('/');
    return { account, sha256 };
  });
}

/** The id of the claim, or null when it is needed, held by a file, or someone else's to remove. */
export async function claimInput(
  { redis, keys }: InputSteps,
  { account, sha256 }: DueInput,
  now: number,
): Promise<string | null> {
  const claim = randomUUID();
  const names = [keys.inputs, keys.input(account, sha256), keys.inputFiles(account, sha256)];
  const reply = await runScript(redis, CLAIM, names, [memberOf(account, sha256), now, CLAIM_LIFE_MS, claim]);
  return reply === 1 ? claim : null;
}

/** Whether it is forgotten now: not when the claim was taken over. */
export async function dropInput(
  { redis, keys }: InputSteps,
  { account, sha256 }: DueInput,
  claim: string,
): Promise<boolean> {
  const names = [keys.inputs, keys.input(account, sha256)];
  return (await runScript(redis, DROP, names, [memberOf(account, sha256), claim])) === 1;
}

// Keeps what is known of shutdown days up to date: once a day one of all workers asks the upstream for every model that
// still answers. Only a day is learned; no answer, whatever it is, changes anything else. Spends nothing, delays no call.
import { readLearnedModels } from '@darkroom/shared/models/learned.ts';
import { MODELS, type ModelRules, shutdownDateOf } from '@darkroom/shared/models/rules.ts';
import type { Deps } from '../deps.ts';
import { type ModelCatalog, openModelCatalog } from '../upstream/shutdown-date.ts';
import { upstreamKeysOf } from '../upstream-keys.ts';

/** Each worker looks this often whether it is time to ask. */
const LOOK_EVERY_MS = 60_000;
/** Longer than asking for all models takes; a worker that dies meanwhile is followed by another after this. */
const ASKING_MS = 5 * 60_000;
const ASK_EVERY_MS = 24 * 3_600_000;
/** After a round in which the upstream could not be reached. */
const ASK_AGAIN_MS = 3_600_000;

export interface RefreshDeps extends Pick<Deps, 'redis' | 'keys' | 'log'> {
  readonly config: Parameters<typeof upstreamKeysOf>[0];
}

/** Looks at once, then every minute. */
export function startRefreshingShutdownDates(
  deps: RefreshDeps,
  lookEveryMs = LOOK_EVERY_MS,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  let running: Promise<void> | null = null;
  const look = async (): Promise<void> => {
    try {
      await refreshShutdownDates(deps, stopping.signal);
    } catch (error) {
      deps.log.warn({ err: error }, 'shutdown days could not be refreshed');
    }
    running = null;
  };
  const start = (): void => {
    running ??= look();
  };
  const timer = setInterval(start, lookEveryMs);
  start();
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}

/** Asks for all models if it is time and no other worker does. Rejects when Redis does. */
export async function refreshShutdownDates(deps: RefreshDeps, signal: AbortSignal): Promise<void> {
  const { redis, keys } = deps;
  if ((await redis.set(keys.shutdownDatesAsked, 'asking', 'PX', ASKING_MS, 'NX')) === null) return;
  const [first] = upstreamKeysOf(deps.config);
  if (first === undefined) return;
  const catalog = openModelCatalog({ apiKey: first.key, baseUrl: first.baseUrl });
  try {
    const isReached = await askForAll(deps, catalog, signal);
    if (signal.aborted) return;
    await redis.set(keys.shutdownDatesAsked, 'asked', 'PX', isReached ? ASK_EVERY_MS : ASK_AGAIN_MS);
  } finally {
    await catalog.close();
  }
}

/** One model after the other. False when the upstream answered for none of them. */
async function askForAll(deps: RefreshDeps, catalog: ModelCatalog, signal: AbortSignal): Promise<boolean> {
  const learned = await readLearnedModels(deps.redis, deps.keys);
  let isReached = false;
  for (const rules of MODELS.filter(({ status }) => status !== 'retired')) {
    const told = await catalog.askShutdownDate(rules.id, signal);
    if (signal.aborted) return false;
    if (told.kind === 'failed') {
      deps.log.info({ model: rules.id, err: told.error }, 'the upstream gave no answer about shutdown days');
      continue;
    }
    isReached = true;
    if (told.kind === 'none') deps.log.debug({ model: rules.id, status: told.status }, 'no shutdown day was told');
    else await learn(deps, rules, told.date, shutdownDateOf(rules, learned));
  }
  return isReached;
}

async function learn(deps: RefreshDeps, rules: ModelRules, date: string, known: string | null): Promise<void> {
  // The model still answered on the day its rules were checked, so an earlier day is a filler or a mistake.
  if (date < rules.asOf) {
    deps.log.info(
      { model: rules.id, date, asOf: rules.asOf },
      'a shutdown day before the rules were checked was ignored',
    );
    return;
  }
  await deps.redis.hset(deps.keys.shutdownDates, rules.id, date);
  if (date === known) return;
  deps.log.warn({ model: rules.id, shutdownDate: date, before: known }, 'the upstream has told a new shutdown day');
}

// Listens for limits and upstream keys that stop or go on: sleepers hand their permits back, resting lanes wake up.
import type { Redis } from 'ioredis';
import type { Deps } from './deps.ts';

/** `subscriber` is in pub/sub mode and stays its opener's; `wakeLanes` is called when something goes on. */
export async function watchLimitChanges(
  { governor, keys }: Pick<Deps, 'governor' | 'keys'>,
  subscriber: Redis,
  wakeLanes: () => void,
): Promise<void> {
  subscriber.on('message', (channel: string, message: string) => {
    if (channel !== keys.limitChanges) return;
    governor.hear(message);
    if (message.startsWith('resumed ')) wakeLanes();
  });
  await subscriber.subscribe(keys.limitChanges);
}

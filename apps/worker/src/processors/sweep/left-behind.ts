// What processes that were killed have left half written, in storage and in the temporary folder of this machine.
import { removeLeftAside } from '@darkroom/shared/inputs/aside.ts';
import type { Deps } from '../../deps.ts';
import { reportRepair } from './repair.ts';

export async function sweepLeftBehind(deps: Deps): Promise<void> {
  reportRepair(deps, 'leftover', await removeLeftAside(), { where: 'temporary folder' });
  reportRepair(deps, 'leftover', await deps.store.removeLeftovers(), { where: 'storage' });
}

/** GET /v1/models and GET /v1/models/{id}: the models there are, with their day of shutdown. */
import { ApiError } from './api-error.ts';
import { findModel, isRetired, type Model, models } from './models.ts';
import { dayOf, type Settings } from './settings.ts';

export function listModels(settings: Settings): unknown {
  const ids = models.filter((model) => isThere(model, settings)).flatMap((model) => [model.id, ...model.snapshots]);
  return { object: 'list', data: ids.map((id) => describe(id, settings)) };
}

/** Throws 404 model_not_found. */
export function getModel(id: string, settings: Settings): unknown {
  const model = findModel(id);
  if (model !== null && isThere(model, settings)) return describe(id, settings);
  const message = `The model \`${id}\` does not exist or you do not have access to it.`;
  throw new ApiError(404, { message, type: 'invalid_request_error', param: 'model', code: 'model_not_found' });
}

function isThere(model: Model, settings: Settings): boolean {
  return settings.reality === 'everything' || !isRetired(model, dayOf(settings));
}

function describe(id: string, { shutdownDates }: Settings) {
  const model = findModel(id);
  const told = model === null ? undefined : shutdownDates[model.id];
  const released = Date.parse(model?.released ?? '2022-11-03');
  const created = Math.floor(released / 1000);
  const shutdownDate = told === undefined ? (model?.shutdownDate ?? null) : told;
  return { id, object: 'model', created, owned_by: 'system', shutdown_date: shutdownDate };
}

// The rules of every model: what it takes, what it costs, when it ends.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { toPublicModel } from '@darkroom/shared/models/public-model.ts';
import { findModel, MODELS } from '@darkroom/shared/models/rules.ts';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { readQuery } from '../http/query.ts';
import { getModelOperation, listModelsOperation } from '../openapi/model-operations.ts';

export function registerModels(app: App, { learnedModels }: Pick<Deps, 'learnedModels'>): void {
  app.route({
    method: 'GET',
    url: '/v1/models',
    config: { access: 'account', operation: listModelsOperation },
    handler: async (request) => {
      readQuery(request, { names: [] });
      return { object: 'list', data: MODELS.map((rules) => toPublicModel(rules, Date.now(), learnedModels.current())) };
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/models/:id',
    config: { access: 'account', operation: getModelOperation },
    handler: async (request) => {
      readQuery(request, { names: [] });
      const { id } = request.params as { id: string };
      const rules = findModel(id);
      if (rules === null) throw noSuchModel(id);
      return toPublicModel(rules, Date.now(), learnedModels.current());
    },
  });
}

/** As OpenAI answers here: 404, though the same code is a 400 in a request body. */
function noSuchModel(id: string): ServiceError {
  const error = new ServiceError('model_not_found', `The model '${id.slice(0, 64)}' does not exist`, {
    param: 'model',
  });
  error.status = 404;
  return error;
}

// A request of `/v1/images/*` as an order: its body, JSON or a form, read, checked and named by its fingerprint.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { TakenInput } from '@darkroom/shared/inputs/desk.ts';
import { prepareInputs } from '@darkroom/shared/inputs/prepare.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import { validateImagesRequest } from '@darkroom/shared/requests/images-submission.ts';
import { allOf, type InputImage, type InputSet, mapInputs } from '@darkroom/shared/requests/inputs.ts';
import type { SubmissionResult } from '@darkroom/shared/requests/submission.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import { checkOnce } from './check-once.ts';
import type { Client } from './client.ts';
import { fingerprintOf } from './fingerprint.ts';
import { type ImageForm, readImageForm } from './image-form.ts';
import type { Order } from './submit.ts';
import { validationContextOf } from './validation-context.ts';

type Check = (inputs: InputSet<InputImage> | null) => SubmissionResult;

export interface ImageOrder extends Pick<Order, 'fingerprint' | 'wanted' | 'prepare'> {
  /** Removes what a form has brought; call it whatever became of the order. */
  release(): Promise<void>;
}

/** Throws a ServiceError with every problem that can be found without fetching anything. */
export async function readImageOrder(
  deps: Deps,
  request: FastifyRequest,
  operation: Operation,
  client: Client,
): Promise<ImageOrder> {
  const route = `POST ${request.routeOptions.url}`;
  const context = validationContextOf(deps, request.account);
  const prepareWith = (check: Check, uploads: InputSet<TakenInput> | null) => () =>
    prepareInputs(deps.desk, request.account, check, uploads, client.gone);

  if (operation !== 'generation' && request.isMultipart()) {
    const { MAX_UPLOAD_BYTES } = deps.config;
    const form = await readImageForm(deps.desk, request, operation, MAX_UPLOAD_BYTES, client.gone);
    const { fields, problems, uploads } = form;
    const check: Check = (inputs) => withProblems(form, validateImagesRequest(operation, fields, context, inputs));
    const prepare = prepareWith(check, uploads);
    // A form that can't be read has fields that stand in no fingerprint: it repeats nothing, and is refused at once.
    if (problems.length > 0) await prepare();
    return {
      fingerprint: fingerprintOf(
        route,
        fields,
        mapInputs(uploads, ({ held }) => held.facts.sha256),
      ),
      prepare,
      release: () => deps.desk.release(allOf(uploads).map(({ held }) => held)),
    };
  }
  const { body } = request;
  if (body === undefined) throw new ServiceError('invalid_json', 'The request has no body. Send a JSON object.');
  const check = checkOnce((inputs) => validateImagesRequest(operation, body, context, inputs));
  const checked = check(null);
  if (!checked.ok) throw ServiceError.ofProblems(checked.problems);
  return {
    fingerprint: fingerprintOf(route, body),
    wanted: checked.submission.request,
    prepare: prepareWith(check, null),
    release: async () => undefined,
  };
}

/** What is wrong with the form itself stands before what its fields mean, and is told once. */
function withProblems({ problems, lacksFiles }: ImageForm, checked: SubmissionResult): SubmissionResult {
  if (problems.length === 0) return checked;
  const told = new Set(problems.map(({ param }) => param));
  const others = checked.ok ? [] : checked.problems;
  const news = others.filter(({ param }) => !told.has(param) && !(lacksFiles && isOfImages(param)));
  return { ok: false, problems: [...problems, ...news] };
}

function isOfImages(param: string | null): boolean {
  return /^(image|mask|markup)\b/.test(param ?? '');
}

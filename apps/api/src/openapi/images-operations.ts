// OpenAI's image routes as they stand in the OpenAPI document.
import { LONGEST_WAIT_SECONDS } from '../http/prefer.ts';
import {
  EXAMPLE_BASE64_REPLY,
  EXAMPLE_DALLE_GENERATION,
  EXAMPLE_EDIT,
  EXAMPLE_GENERATION,
  EXAMPLE_URL_REPLY,
  EXAMPLE_VARIATION,
} from './images-examples.ts';
import { EXAMPLE_QUEUED_JOB } from './job-examples.ts';
import type { Header, Media, Operation, Parameter, Reply } from './operation.ts';
import { COMMON_ERRORS, type ErrorExample, EXAMPLE_JOB_ID, errorReplies, jsonOf, refTo, replyOf } from './replies.ts';
import { DEPRECATION_HEADERS, EARLIER_HEADERS, header, idempotencyKey, retryCount } from './submit-parts.ts';

const tags = ['Images'];

const JOB_HEADERS: Readonly<Record<string, Header>> = {
  'x-darkroom-job-id': header('The job behind this reply: `GET /v1/jobs/{id}`.', EXAMPLE_JOB_ID),
  'x-darkroom-model': header('The model called.', 'gpt-image-2.6-sunburst'),
  'x-darkroom-warning': header(
    'What was changed to carry the request out, parted by `; `.',
    'model dall-e-3 was retired on 2026-05-12 and was translated to gpt-image-2.6-sunburst',
  ),
  ...EARLIER_HEADERS,
  ...DEPRECATION_HEADERS,
};

const SHOULD_RETRY = header(
  '`true`: repeat the request, it joins its job. `false`: it would bring the same. Followed by OpenAI’s SDKs.',
  'false',
);

const OUTCOME_HEADERS: Readonly<Record<string, Header>> = {
  ...JOB_HEADERS,
  'x-darkroom-cost-usd': header('What the job has cost, US dollars; absent when no price is known.', '0.12'),
  'x-darkroom-status': header('`incomplete` when some of the images could not be made.', 'incomplete'),
};

const IMAGES: Reply = replyOf(
  'The images, as soon as all of them are made or have failed: those that came, in the order asked for.',
  {
    'application/json': {
      schema: refTo('ImagesResponse'),
      examples: {
        b64_json: { summary: 'Base64, the default', value: EXAMPLE_BASE64_REPLY },
        url: { summary: 'Links, the default of DALL·E models', value: EXAMPLE_URL_REPLY },
      },
    },
  },
  OUTCOME_HEADERS,
);

const ACCEPTED: Reply = replyOf('With `Prefer`: the job, which goes on.', jsonOf('Job', EXAMPLE_QUEUED_JOB), {
  location: header('Where to ask for the job.', `/v1/jobs/${EXAMPLE_JOB_ID}`),
  'retry-after': header('Seconds after which asking is worth while.', 5),
  'preference-applied': header('The preferences that were followed.', 'respond-async'),
  ...JOB_HEADERS,
});

const PREFER: Parameter = {
  name: 'Prefer',
  in: 'header',
  description:
    '`respond-async`: 202 and the job at once, even if it has ended by then. `wait=N`: 202 and the job after N seconds ' +
    `(cut to 1..${LONGEST_WAIT_SECONDS}, at most SYNC_TIMEOUT_MS) unless it has ended. Without: the reply waits for the images.`,
  schema: { type: 'string', examples: ['respond-async'] },
};

const HOW_IT_WAITS =
  "Makes a job of `high` priority and waits for its end. OpenAI's body, reply and errors; Darkroom's own fields (`metadata`, " +
  '`webhook`, `priority`, `expires_after`, `on_unknown`, `response_format`) stand beside it. After SYNC_TIMEOUT_MS it answers 504 ' +
  "`job_still_running`, the job goes on, and the repeated request (OpenAI's SDKs do that by themselves) joins it: nothing is " +
  'bought twice. A client that leaves before its job was recorded makes none.';

const ERRORS: readonly ErrorExample[] = [
  {
    code: 'invalid_value',
    message: "Invalid value: 'ultra'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
    param: 'quality',
  },
  { code: 'invalid_json', message: 'We could not parse the JSON body of your request. It must be JSON in UTF-8.' },
  {
    code: 'idempotency_key_reuse',
    message: 'This Idempotency-Key was used before for another request.',
    param: 'Idempotency-Key',
  },
  {
    code: 'queue_full',
    message: '100000 calls for this model are waiting or under way, and at most 100000 may be. Try again in 30 s.',
  },
  { code: 'outcome_unknown', message: 'The upstream request was sent, but its outcome is unknown; …' },
  { code: 'result_lost', message: 'Image 0 was made, but its bytes are no longer in storage.' },
  { code: 'upstream_unauthorized', message: 'The upstream refuses the API key of this Darkroom; …' },
  {
    code: 'job_still_running',
    message: `Job '${EXAMPLE_JOB_ID}' is still running, and goes on. Repeat the request …`,
  },
  ...COMMON_ERRORS,
];

const FORM_ERRORS: readonly ErrorExample[] = [
  {
    code: 'unsupported_file_mimetype',
    message: "Invalid file 'image': unsupported mimetype ('application/pdf'). …",
    param: 'image',
  },
  {
    code: 'file_too_large',
    message: "Invalid file 'image': it has to be smaller than 52428800 bytes.",
    param: 'image',
  },
  { code: 'request_too_large', message: 'The request body is larger than 52428800 bytes.' },
  {
    code: 'unsupported_media_type',
    message:
      "Unsupported content-type. Send 'content-type: application/json', or 'content-type: multipart/form-data' with a boundary.",
  },
];

const SMALL_BODY_ERRORS: readonly ErrorExample[] = [
  { code: 'request_too_large', message: 'The request body is larger than 1048576 bytes.' },
  { code: 'unsupported_media_type', message: "Unsupported content-type. Send 'content-type: application/json'." },
];

/** A job that brought no image answers with its error, so any reply may say whether to ask again. */
function repliesOf(errors: readonly ErrorExample[]): Readonly<Record<string, Reply>> {
  const replies = Object.entries(errorReplies(...errors, ...ERRORS)).map(([status, reply]): [string, Reply] => [
    status,
    { ...reply, headers: { ...reply.headers, 'x-should-retry': SHOULD_RETRY } },
  ]);
  return { 200: IMAGES, 202: ACCEPTED, ...Object.fromEntries(replies) };
}

const parameters = [PREFER, idempotencyKey('job'), retryCount('job')];

const form = (id: string, files: readonly string[], value: unknown): Readonly<Record<string, Media>> => ({
  'multipart/form-data': {
    schema: refTo(id),
    examples: { form: { summary: `${files.join(', ')} as files, other fields as text`, value } },
  },
});

export const generateImagesOperation: Operation = {
  operationId: 'generateImages',
  summary: 'Generate images',
  description: HOW_IT_WAITS,
  tags,
  parameters,
  requestBody: {
    required: true,
    content: {
      'application/json': {
        schema: refTo('ImagesGenerationRequest'),
        examples: {
          current: { summary: 'A model of today', value: EXAMPLE_GENERATION },
          'dall-e-3': { summary: 'Code written for DALL·E 3', value: EXAMPLE_DALLE_GENERATION },
        },
      },
    },
  },
  responses: repliesOf(SMALL_BODY_ERRORS),
};

export const editImagesOperation: Operation = {
  operationId: 'editImages',
  summary: 'Edit images',
  description:
    `${HOW_IT_WAITS} Images come as files of a form (\`image\`, or \`image[]\` for up to 16, \`mask\`, \`markup\`; in any ` +
    'order, below 50 MB each, MAX_UPLOAD_BYTES all together) or as references of a JSON body of up to 50 MB: a `file_id` of ' +
    'purpose `vision`, a link, a data URL.',
  tags,
  parameters,
  requestBody: {
    required: true,
    content: {
      ...form('ImagesEditForm', ['image', 'mask'], {
        image: '(bytes)',
        mask: '(bytes)',
        model: 'gpt-image-2',
        prompt: 'the same cat in winter',
        n: '2',
      }),
      ...jsonOf('ImagesEditRequest', EXAMPLE_EDIT),
    },
  },
  responses: repliesOf(FORM_ERRORS),
};

export const variateImageOperation: Operation = {
  operationId: 'variateImage',
  summary: 'Vary an image',
  description:
    `${HOW_IT_WAITS} The variations endpoint is gone at OpenAI: where the model called has none, an edit with the ` +
    'operator’s VARIATION_PROMPT stands in for it. One image, as a file `image` of a form or as a reference.',
  tags,
  parameters,
  requestBody: {
    required: true,
    content: {
      ...form('ImagesVariationForm', ['image'], { image: '(bytes)', n: '2', size: '512x512' }),
      ...jsonOf('ImagesVariationRequest', EXAMPLE_VARIATION),
    },
  },
  responses: repliesOf(FORM_ERRORS),
};

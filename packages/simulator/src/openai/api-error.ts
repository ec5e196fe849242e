/** An error reply of the Images API and the builders of the common ones. All four keys are always present. */
export interface ErrorFields {
  message: string;
  type: string;
  param?: string | null;
  code?: string | null;
  moderation_details?: { moderation_stage: string; categories: string[] };
}

/** Thrown to answer the request under way with this error. */
export class ApiError extends Error {
  readonly status: number;
  readonly fields: ErrorFields;
  readonly headers: Record<string, string>;

  constructor(status: number, fields: ErrorFields, headers: Record<string, string> = {}) {
    super(fields.message);
    this.status = status;
    this.fields = fields;
    this.headers = headers;
  }

  get body(): { error: ErrorFields & { param: string | null; code: string | null } } {
    const { message, type, param = null, code = null, ...extra } = this.fields;
    return { error: { message, type, param, code, ...extra } };
  }
}

/** A refused parameter: 400 invalid_request_error. */
export function badRequest(message: string, code: string | null, param: string | null = null): ApiError {
  return new ApiError(400, { message, type: 'invalid_request_error', param, code });
}

/** A refusal of the image backend rather than of the request parser: 400 image_generation_user_error. */
export function userError(message: string, code: string | null, param: string | null = null): ApiError {
  return new ApiError(400, { message, type: 'image_generation_user_error', param, code });
}

/** What a retired or unknown model answers (seen live 2026-05-13). */
export function modelDoesNotExist(model: string): ApiError {
  return userError(`The model '${model}' does not exist.`, 'invalid_value', 'model');
}

/** `'a', 'b', and 'c'`, as in the API's own messages. */
export function quotedList(values: readonly string[]): string {
  const quoted = values.map((value) => `'${value}'`);
  if (quoted.length < 3) return quoted.join(' and ');
  return `${quoted.slice(0, -1).join(', ')}, and ${quoted.at(-1)}`;
}

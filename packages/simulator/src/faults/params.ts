/** Reads values out of a fault's free-form `params`; a value of the wrong type is as good as none. */
export type Params = Record<string, unknown>;

export function numberParam(params: Params, key: string, fallback: number): number {
  const value = params[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

export function stringParam(params: Params, key: string, fallback: string): string {
  const value = params[key];
  return typeof value === 'string' ? value : fallback;
}

export function booleanParam(params: Params, key: string, fallback: boolean): boolean {
  const value = params[key];
  return typeof value === 'boolean' ? value : fallback;
}

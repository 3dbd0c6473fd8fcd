// Builds an Envoy object in one expression: undefined keys vanish, and a misspelt key is a compile error.

/** The shape of `T` in which each optional key may also be written out as undefined. */
export type Undefinable<T> = { readonly [K in keyof T]: undefined extends T[K] ? T[K] | undefined : T[K] } & {
  readonly [K in keyof T as object extends Pick<T, K> ? K : never]?: T[K] | undefined;
};

/** A copy of `fields` without the keys whose value is undefined; 0, "" and false are values and stay. */
export function defined<T extends object>(fields: Undefinable<NoInfer<T>>): T;
export function defined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    if (fields[key] !== undefined) result[key] = fields[key];
  }
  return result;
}

// Where in a resource something is: an immutable, printable path ("spec.http[0].retries.backoff").

export type FieldPath = readonly (string | number)[];

/** Prints a path as users know it from kubectl: fields with dots, indexes and unusual keys in brackets. */
export function printPath(path: FieldPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(step)) return `${text}[${JSON.stringify(step)}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

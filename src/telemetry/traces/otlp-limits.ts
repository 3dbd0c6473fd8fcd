// What one report of spans may cost, whoever sends it: proxies are ours, applications are not.

/** Of one report; SDKs send 512. */
export const maxSpansOfReport = 20_000;
/** Characters of one text; what is longer is cut. */
export const maxText = 4096;
/** Of a span; OpenTelemetry's own default is 128. */
export const maxEvents = 32;

/** A text within the limit. */
export function cut(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText - 1)}…`;
}

/** Microseconds since the epoch of nanoseconds; 0 for what is no time of this or the next century. */
export function microseconds(nanoseconds: bigint): number {
  const value = Number(nanoseconds / 1000n);
  return value > 0 && value < 7e15 ? value : 0;
}

/** A span's id or a trace's: so many hexadecimal digits and not only zeros. */
export function isId(text: string, digits: 16 | 32): boolean {
  return text.length === digits && /^[0-9a-f]+$/.test(text) && !/^0+$/.test(text);
}

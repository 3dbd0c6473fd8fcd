// Durations: parsed once at the api boundary, printed by one function; in between they are branded milliseconds.

/** A length of time in milliseconds; may be fractional. */
export type DurationMs = number & { readonly __unit: "ms" };

const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000_001 };

/** The longest duration that Go has (2^63 - 1 ns, 292 years), and with it Kubernetes and Istio; Envoy's own limit is above it. */
const longestMs = 9_223_372_036_854;

/** Brands a number of milliseconds. */
export function durationMs(value: number): DurationMs {
  return value as DurationMs;
}

/** Reads Go's duration syntax ("1.5s", "1h10m", "25ms"), as Istio and Kubernetes write it; undefined when it is not one or longer than Go's. */
export function parseDuration(text: string): DurationMs | undefined {
  if (text === "0") return durationMs(0);
  const sign = text.startsWith("-") ? -1 : 1;
  let rest = text.replace(/^[+-]/, "");
  if (rest === "") return undefined;
  let total = 0;
  while (rest !== "") {
    const part = /^(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)/.exec(rest);
    const factor = unitMs[part?.[2] ?? ""];
    if (part === null || factor === undefined) return undefined;
    total += Number(part[1]) * factor;
    rest = rest.slice(part[0].length);
  }
  return total > longestMs ? undefined : durationMs(sign * total);
}

/** Prints a duration as proto3 JSON wants it: seconds with up to nine digits and an "s" ("0.025s"). */
export function protoDuration(duration: DurationMs): string {
  const nanos = Math.round(duration * 1_000_000);
  const text = (nanos / 1_000_000_000).toFixed(9).replace(/\.?0+$/, "");
  return `${text}s`;
}

// One request's fate -> what it tells about each service: the shop's answer names every hop with its version and milliseconds. Pure.

import { z } from "zod";

/** What a request to the gateway came to. */
export interface Answer {
  /** 0 when there was none. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** From sending to the last byte, or to giving up. */
  readonly ms: number;
  /** Time-out, reset, or a body that broke off; undefined when a whole answer came. */
  readonly error: string | undefined;
}

/** One service's part in one request. */
export interface Hop {
  readonly service: string;
  /** `noVersion` when the service does not tell. */
  readonly version: string;
  readonly failed: boolean;
  readonly ms: number | undefined;
}

/** Stands for the version of what has none: the database. */
export const noVersion = "-";

const bodySchema = z.object({
  hops: z.array(z.object({ service: z.string(), version: z.string(), ms: z.number().optional(), dbMs: z.number().optional() })),
});

/** Failed means: not 200, a time-out, a reset. */
export function isFailure({ status, error }: Answer): boolean {
  return error !== undefined || status !== 200;
}

/**
 * The hops of an answer, web first; web's milliseconds are the client's, the others' their own.
 * A failed answer counts against the version that failed as it was told to; else against who gave it, which the header x-shop-failed names; when
 * not even that is there, against web.
 */
export function hopsOf(answer: Answer): readonly Hop[] {
  if (isFailure(answer)) return [failedHop(answer)];
  const parsed = bodySchema.safeParse(jsonOf(answer.body));
  if (!parsed.success) return [{ service: "web", version: noVersion, failed: false, ms: answer.ms }];
  const { hops } = parsed.data;
  const served = hops.flatMap(({ service, version, ms, dbMs }, index): Hop[] => [
    { service, version, failed: false, ms: index === 0 ? answer.ms : ms },
    ...(dbMs === undefined ? [] : [{ service: "db", version: noVersion, failed: false, ms: dbMs }]),
  ]);
  // The page goes on without rates; that its call failed shows only in its absence.
  const lacksRates = hops.some(({ service }) => service === "catalog") && !hops.some(({ service }) => service === "rates");
  return lacksRates ? [...served, { service: "rates", version: "v1", failed: true, ms: undefined }] : served;
}

/** A version of a service that failed as it was told to (ERROR_PERCENT of the shop's catalog); undefined when something else failed. */
export function injectedBy({ body }: Answer): { readonly service: string; readonly version: string } | undefined {
  const [, service, version] = /\b([a-z]{1,20}) (v\d{1,4}): injected error/.exec(body) ?? [];
  return service === undefined || version === undefined ? undefined : { service, version };
}

function failedHop(answer: Answer): Hop {
  const { headers, ms, status } = answer;
  const injected = injectedBy(answer);
  // Its time is unknown: only the page's is.
  if (injected !== undefined) return { ...injected, failed: true, ms: undefined };
  const header = headers["x-shop-failed"];
  const [service = "web", version = noVersion] = typeof header === "string" ? header.split("=") : [];
  return { service, version, failed: true, ms: status === 0 ? undefined : ms };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Why a request failed, in one line: its status, Envoy's or the program's words, its time. */
export function failureLine({ status, body, error, ms }: Answer): string {
  const said = body.trim().slice(0, 160);
  const parts = [error ?? `status ${status}`, said, `after ${ms.toFixed(0)} ms`];
  return parts.filter((part) => part !== "").join(", ");
}

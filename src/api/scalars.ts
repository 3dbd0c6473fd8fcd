// The small building blocks of all schemas: durations, ports, maps, and fields we accept without reading them.

import { z } from "zod";
import { type DurationMs, parseDuration } from "../lib/duration.ts";

/** A Go duration ("1.5s", "25ms"), parsed to milliseconds. */
export const duration = z.string().transform((text, context): DurationMs => {
  const parsed = parseDuration(text);
  if (parsed !== undefined) return parsed;
  context.issues.push({
    code: "custom",
    input: text,
    message: `"${text.slice(0, 40)}" is not a duration`,
    params: { code: "LTN0107", fix: 'Write a number with a unit, for example "250ms", "1.5s" or "1h".' },
  });
  return z.NEVER;
});

/** A TCP or UDP port. */
export const port = z.number().int().min(1).max(65535);

/** protobuf's uint32. */
export const uint32 = z.number().int().min(0).max(4_294_967_295);

/** protobuf's int32. */
export const int32 = z.number().int().min(-2_147_483_648).max(2_147_483_647);

/** Kubernetes' IntOrString: a number, or a name or percentage. */
export const intOrString = z.union([int32, z.string()]);

/** A map of strings, such as labels; empty when unset. */
export const stringMap = z.record(z.string(), z.string()).default({});

/** A list of strings; empty when unset. */
export const stringList = z.array(z.string()).default([]);

/** A field that real manifests contain and whose inside we don't look at; listed in the kind's `notYet` when leaving it out changes behaviour. */
export const accepted = z.unknown().optional();

/** A status of Istio's kinds: written by us, never read from a manifest. */
export const anyStatus = z.record(z.string(), z.unknown()).optional();

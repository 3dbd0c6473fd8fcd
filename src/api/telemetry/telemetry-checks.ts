// Checks of one Telemetry beyond its structure: Istio's CEL rules and validation, and what would be silently ignored.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkLabels, isHeaderName } from "../names.ts";
import { unknownCommand } from "../substitution-format.ts";
import type { Telemetry, TelemetryCustomTag, TelemetryTracing } from "./telemetry.ts";

/** All findings of one Telemetry. */
export function checkTelemetry({ spec }: Telemetry): readonly Finding[] {
  const overrides = spec.metrics.flatMap(({ overrides }, index) =>
    overrides.map(({ match, tagOverrides }, number) => ({ match, tagOverrides, at: ["spec", "metrics", index, "overrides", number] })),
  );
  return [
    ...checkLabels(spec.selector?.matchLabels ?? {}, ["spec", "selector", "matchLabels"]),
    ...(spec.targetRef === undefined ? [] : [targeted(["spec", "targetRef"])]),
    ...(spec.targetRefs.length === 0 ? [] : [targeted(["spec", "targetRefs"])]),
    ...spec.tracing.flatMap((tracing, index) => checkTracing(tracing, ["spec", "tracing", index])),
    ...overrides.flatMap(({ match, tagOverrides, at }) => [
      ...(match?.metric !== undefined && match.customMetric !== undefined
        ? [invalid([...at, "match"], "has both metric and customMetric")]
        : []),
      ...Object.entries(tagOverrides ?? {}).flatMap(([tag, { operation = "UPSERT", value = "" }]) => {
        const path = [...at, "tagOverrides", tag];
        if (operation === "UPSERT" && value === "") return [invalid(path, "needs a value for UPSERT")];
        return operation === "REMOVE" && value !== "" ? [invalid(path, "takes no value for REMOVE")] : [];
      }),
    ]),
  ];
}

/** Refused, because without its target it would be for the whole namespace. */
function targeted(path: FieldPath): Finding {
  return { ...invalid(path, "isn't acted on here yet"), fix: "Use selector.matchLabels." };
}

/** Of Envoy's percentages with two decimals. */
const smallestShare = 0.01;

function checkTracing({ randomSamplingPercentage: share = 0, customTags = {} }: TelemetryTracing, path: FieldPath): readonly Finding[] {
  const at = [...path, "randomSamplingPercentage"];
  const tooSmall: readonly Finding[] =
    share > 0 && share < smallestShare
      ? [{ code: "LTN0105", path: at, message: `\`${printPath(at)}\` is ${share}`, fix: "Use 0, or at least 0.01." }]
      : [];
  return [...tooSmall, ...Object.entries(customTags).flatMap(([name, tag]) => checkCustomTag(name, tag, [...path, "customTags", name]))];
}

/** Findings of one tag of spans. */
export function checkCustomTag(name: string, tag: TelemetryCustomTag, path: FieldPath): readonly Finding[] {
  if (name === "" || !name.isWellFormed()) return [invalid(path, "is no name of a tag")];
  const given = Object.values(tag).filter((source) => source !== undefined).length;
  if (given !== 1) return [invalid(path, "must have exactly one of literal, environment, header and formatter")];
  const { header, formatter } = tag;
  if (header !== undefined && !isHeaderName(header.name.replace(/^:/, ""))) {
    const message = `\`${printPath(path)}\`: ${JSON.stringify(header.name.slice(0, 80))} is not a header name`;
    return [{ code: "LTN0213", path: [...path, "header", "name"], message }];
  }
  const unknown = formatter === undefined ? undefined : unknownCommand(formatter.value);
  if (unknown === undefined) return [];
  return [invalid([...path, "formatter", "value"], `has ${JSON.stringify(unknown)}, which is no command that Envoy knows`)];
}

function invalid(path: FieldPath, problem: string): Finding {
  return { code: "LTN1201", path, message: `\`${printPath(path)}\` ${problem}` };
}

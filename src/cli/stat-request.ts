// Arguments and options of `lateen stat` and `lateen top` -> what to ask. Pure.

import type { StatRequest } from "../http/telemetry-contract.ts";
import { parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { type OptionValues, textOption } from "./command.ts";
import type { Asked } from "./stat-view.ts";

const kinds: Readonly<Record<string, "service" | "workload" | "version" | "source">> = {
  service: "service",
  services: "service",
  svc: "service",
  workload: "workload",
  workloads: "workload",
  deploy: "workload",
  deployment: "workload",
  deployments: "workload",
  version: "version",
  versions: "version",
  source: "source",
  sources: "source",
  caller: "source",
  callers: "source",
};

/** The longest window that samples are kept for. */
const longestMs = 6 * 3_600_000;

/** @throws UsageError for a kind or duration that is none. */
export function statRequestOf([first, second]: readonly string[], options: OptionValues): StatRequest {
  const [kind, ...after] = (first ?? "services").split("/");
  const nameInKind = after.length === 0 ? undefined : after.join("/");
  const by = kinds[kind ?? ""];
  if (by === undefined || !Object.hasOwn(kinds, kind ?? "")) {
    throw new UsageError(`there are no numbers of "${first}"`, {
      fix: `ask for services, workloads, versions or callers, with a name after it: \`lateen stat services ${first}\``,
    });
  }
  return { by, name: second ?? nameInKind, ...commonRequest(options) };
}

/** What both commands have. @throws UsageError */
export function commonRequest(options: OptionValues): StatRequest {
  const text = textOption(options, "for") ?? "10s";
  const windowMs = parseDuration(text);
  if (windowMs === undefined || windowMs < 1000 || windowMs > longestMs) {
    throw new UsageError(`--for ${text} is no duration from 1s to 6h`, { fix: "write for example --for 30s; the last six hours are kept" });
  }
  const reporter = textOption(options, "reporter") ?? "client";
  if (reporter !== "client" && reporter !== "server") throw new UsageError(`--reporter ${reporter} is neither client nor server`);
  const namespace = options["allNamespaces"] === true ? undefined : textOption(options, "namespace");
  return { windowMs, reporter, namespace, from: textOption(options, "from"), to: textOption(options, "to") };
}

/** The same in words. */
export function askedOf({ by = "service", name, namespace, from, to }: StatRequest): Asked {
  const parts = [
    by === "edge" ? "requests" : `requests of ${by === "source" ? "callers" : `${by}s`}`,
    ...(name === undefined ? [] : [`named ${name}`]),
    ...(namespace === undefined ? [] : [`in namespace ${namespace}`]),
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(to === undefined ? [] : [`to ${to}`]),
  ];
  return { what: parts.join(" "), isEverything: parts.length === 1 };
}

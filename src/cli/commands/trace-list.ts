// `lateen trace list`: recent traces, newest first, with what failed and what was slow marked.

import type { ForwardView } from "../../http/traces-contract.ts";
import { UsageError } from "../../lib/errors.ts";
import type { FoundTrace } from "../../telemetry/traces/search.ts";
import { exitCode, formatOption, listOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { countOption, durationOption } from "../option-values.ts";
import { age, type Column, fittingTable, type Terminal } from "../output.ts";
import { printable } from "../printable.ts";
import { cutTo, durationText } from "../trace-view.ts";

export const runTraceList: RunCommand = async ({ options }, { config, terminal, commandStart }) => {
  const format = formatOption(options, ["table", "json"]);
  const since = durationOption(options, "since", "10m");
  const query = {
    service: textOption(options, "service"),
    operation: textOption(options, "operation"),
    minDurationMs: durationOption(options, "minDuration", "100ms"),
    onlyErrors: options["error"] === true ? true : undefined,
    sinceMs: since === undefined ? undefined : commandStart - since,
    attributes: attributesOf(listOption(options, "attribute")),
    limit: countOption(options, "limit", { of: "traces", least: 1, most: 1000 }) ?? 20,
  };
  const client = connect(config, terminal);
  try {
    const list = await client.traces.search(query);
    if (format === "json") terminal.out(JSON.stringify(list, null, 2));
    else if (list.traces.length === 0) printNone({ ...query, limit: undefined }, terminal);
    else printTraces(list.traces, terminal, commandStart);
    if (format === "table") printForwards(list.forwards, terminal);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

function attributesOf(texts: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (texts.length === 0) return undefined;
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at <= 0)
        throw new UsageError(`--attribute: "${text}" has no value`, { fix: "write for example --attribute http.status_code=503" });
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function printNone(filters: Readonly<Record<string, unknown>>, terminal: Terminal): void {
  terminal.out("no traces found");
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  const sampling = "1 % of requests are traced unless a Telemetry says otherwise (spec.tracing[0].randomSamplingPercentage)";
  terminal.err(isFiltered ? "none is what was asked for; `lateen trace list` shows all that are kept" : sampling);
}

function printTraces(traces: readonly FoundTrace[], terminal: Terminal, nowMs: number): void {
  terminal.out(fittingTable(columns(terminal, nowMs), traces, terminal));
  if (traces.some(({ isOfProxies }) => !isOfProxies)) terminal.err("(app): reported by applications alone, no proxy knows of it");
}

/** Applications choose what they are called. */
function shown(text: string): string {
  return cutTo(printable(text), 60);
}

function columns({ colours }: Terminal, nowMs: number): readonly Column<FoundTrace>[] {
  return [
    // Twelve digits tell them apart; `trace get` takes the first digits of an id.
    { heading: "TRACE", cell: ({ traceId }) => traceId.slice(0, 12) },
    { heading: "AGE", cell: ({ startUs }) => age(startUs / 1000, nowMs) },
    {
      heading: "SERVICE",
      cell: ({ service, isOfProxies }) => (isOfProxies ? shown(service) : `${shown(service)} ${colours.dim("(app)")}`),
    },
    { heading: "OPERATION", cell: ({ operation, isPartial }) => (isPartial ? `… ${shown(operation)}` : shown(operation)), dropAt: 2 },
    {
      heading: "DURATION",
      cell: ({ durationUs, keeping }) =>
        keeping === "slow" ? colours.yellow(`${durationText(durationUs)} slow`) : durationText(durationUs),
    },
    { heading: "STATUS", cell: ({ status, errors }) => (errors > 0 ? colours.red(shown(status) || "error") : shown(status) || "-") },
    { heading: "SPANS", cell: ({ spans }) => String(spans), dropAt: 3 },
    { heading: "SERVICES", cell: ({ services }) => String(services.length), dropAt: 4 },
    { heading: "FAILED IN", cell: ({ failedIn }) => (failedIn === "" ? "" : colours.red(shown(failedIn))), dropAt: 1 },
  ];
}

function printForwards(forwards: readonly ForwardView[], { err }: Terminal): void {
  for (const { provider, destination, droppedSpans, queuedSpans, problem } of forwards) {
    if (problem !== undefined) err(`provider ${provider} (${destination}) doesn't take spans: ${printable(problem)}; ${queuedSpans} wait`);
    if (droppedSpans > 0) err(`${droppedSpans} spans for provider ${provider} were given up`);
  }
}

// What a watcher asked for → which proxies tell, and which events are theirs. Pure.

import type { TapEnd, TapEvent, TapQuery } from "../../../http/tap-contract.ts";
import { type Party, parseParty } from "../../../telemetry/party.ts";
import { isParty } from "./party.ts";

export interface TapFilter {
  readonly parties: readonly Party[];
  /** Whether a proxy of this end tells of requests that the watcher may want. */
  readonly concerns: (end: TapEnd) => boolean;
  readonly matches: (event: TapEvent) => boolean;
}

/** The filter of a query. */
export function tapFilterOf(query: TapQuery): TapFilter {
  const { namespace } = query;
  const [party, from, to] = [query.party, query.from, query.to].map((text) =>
    text === undefined ? undefined : parseParty(text, namespace),
  );
  const parties = [party, from, to].filter((each) => each !== undefined);
  const isInNamespace = ({ namespace: own }: TapEnd) => namespace === undefined || own === namespace;
  return {
    parties,
    concerns: (end) => (parties.length === 0 ? isInNamespace(end) : parties.some((each) => isParty(each, end))),
    matches: (event) => {
      const { source, destination } = event;
      if (party !== undefined && !isParty(party, source) && !isParty(party, destination)) return false;
      if (from !== undefined && !isParty(from, source)) return false;
      if (to !== undefined && !isParty(to, destination)) return false;
      if (parties.length === 0 && !isInNamespace(source) && !isInNamespace(destination)) return false;
      return matchesRequest(query, event);
    },
  };
}

function matchesRequest(query: TapQuery, event: TapEvent): boolean {
  const { source, destination } = event;
  if (query.version !== undefined && source.version !== query.version && destination.version !== query.version) return false;
  if (query.method !== undefined && event.method.toUpperCase() !== query.method.toUpperCase()) return false;
  if (query.path !== undefined && !matchesPath(query.path, event.path)) return false;
  if (query.status !== undefined && !matchesStatus(query.status, event)) return false;
  if (query.minDurationMs !== undefined && durationOf(event) < query.minDurationMs) return false;
  if (query.failed === true && !event.failed) return false;
  return query.mirrored === undefined || event.mirrored === query.mirrored;
}

/** "503,5xx": one of them; "none": no answer. A connection has no status. */
function matchesStatus(status: string, { kind, client, server }: TapEvent): boolean {
  if (kind !== "request") return false;
  const code = (client ?? server)?.code ?? 0;
  const [exact, family] = code === 0 ? ["none", "none"] : [String(code), `${Math.floor(code / 100)}xx`];
  return status.split(",").some((each) => each === exact || each === family);
}

/** A pattern without "*" is a prefix. The query string counts only where the pattern has one. */
export function matchesPath(pattern: string, whole: string): boolean {
  const path = pattern.includes("?") ? whole : (whole.split("?", 1)[0] ?? "");
  const [first = "", ...rest] = pattern.split("*");
  if (!path.startsWith(first)) return false;
  const last = rest.pop();
  if (last === undefined) return true;
  let at = first.length;
  for (const part of rest) {
    const found = path.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return path.length - last.length >= at && path.endsWith(last);
}

function durationOf({ client, server }: TapEvent): number {
  return (client ?? server)?.durationMs ?? 0;
}

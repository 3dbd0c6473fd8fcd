// Routes that no request can reach, because an earlier one takes everything or has the same match.

import { printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import type { HttpMatchRequest, L4MatchAttributes, VirtualService } from "./virtual-service.ts";

interface Rule {
  readonly matchesAll: boolean;
  /** One text per match block; equal texts match the same. */
  readonly matches: readonly string[];
}

/** One warning for each http and tcp route that can't be reached. */
export function checkReachable({ spec }: VirtualService): readonly Finding[] {
  const http = spec.http.map(({ match }) => ({
    matchesAll: match.length === 0 || match.some(matchesEveryRequest),
    matches: match.map(textOf),
  }));
  const tcp = spec.tcp.map(({ match }) => ({
    matchesAll: match.length === 0 || match.some(matchesEveryConnection),
    matches: match.map((block) => JSON.stringify(block)),
  }));
  return [...unreachable(http, "http"), ...unreachable(tcp, "tcp")];
}

function unreachable(rules: readonly Rule[], list: "http" | "tcp"): readonly Finding[] {
  return rules.flatMap((rule, index) => {
    const earlier = rules.slice(0, index);
    const all = earlier.findIndex(({ matchesAll }) => matchesAll);
    const path = ["spec", list, index];
    const name = printPath(path);
    if (all >= 0) {
      const message = `\`${name}\` is never reached: \`spec.${list}[${all}]\` already takes everything`;
      return [{ code: "LTN0222" as const, path, message, fix: `Move it above \`spec.${list}[${all}]\`.` }];
    }
    const taken = new Set(earlier.flatMap(({ matches }) => matches));
    if (rule.matches.length === 0 || !rule.matches.every((match) => taken.has(match))) return [];
    return [
      {
        code: "LTN0222" as const,
        path,
        message: `\`${name}\` is never reached: earlier routes have the same match`,
        fix: "Remove it, or change its match.",
      },
    ];
  });
}

function textOf(match: HttpMatchRequest): string {
  return JSON.stringify({ ...match, name: undefined, statPrefix: undefined });
}

function matchesEveryRequest(match: HttpMatchRequest): boolean {
  const { uri } = match;
  const anyUri =
    uri === undefined || ("prefix" in uri && uri.prefix === "/") || ("regex" in uri && (uri.regex === ".*" || uri.regex === "/.*"));
  return anyUri && withoutOtherConditions(match);
}

function withoutOtherConditions(match: HttpMatchRequest): boolean {
  const single = [match.scheme, match.method, match.authority, match.port, match.sourceNamespace];
  const maps = [match.headers, match.withoutHeaders, match.queryParams, match.sourceLabels];
  return single.every((value) => value === undefined) && maps.every((map) => Object.keys(map).length === 0) && match.gateways.length === 0;
}

function matchesEveryConnection(match: L4MatchAttributes): boolean {
  const single = [match.port, match.sourceSubnet, match.sourceNamespace];
  const lists = [match.destinationSubnets, match.gateways, Object.keys(match.sourceLabels)];
  return single.every((value) => value === undefined) && lists.every((list) => list.length === 0);
}

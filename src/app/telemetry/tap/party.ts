// What a person calls an end of a request, "web", "shop/web", "web.shop", "deployment/web", "api.example.com", and whether an end is it. Pure.

import type { TapEnd } from "../../../http/tap-contract.ts";

const kinds: Readonly<Record<string, PartyKind>> = {
  pod: "pod",
  pods: "pod",
  po: "pod",
  deployment: "workload",
  deployments: "workload",
  deploy: "workload",
  workload: "workload",
  service: "service",
  services: "service",
  svc: "service",
};

type PartyKind = "pod" | "workload" | "service";

export interface Party {
  /** As it was written. */
  readonly text: string;
  readonly kind: PartyKind | "any";
  readonly name: string;
  /** Undefined: any. */
  readonly namespace: string | undefined;
}

/** Reads a party; `namespace` is of those that name none. */
export function parseParty(text: string, namespace: string | undefined): Party {
  const slash = text.indexOf("/");
  if (slash < 0) return { text, kind: "any", name: text, namespace };
  const [before, after] = [text.slice(0, slash), text.slice(slash + 1)];
  const kind = Object.hasOwn(kinds, before) ? kinds[before] : undefined;
  return kind === undefined ? { text, kind: "any", name: after, namespace: before } : { text, kind, name: after, namespace };
}

/** Whether the end is the party. A host counts by its full name, or by its first labels: "web", "web.shop". */
export function isParty(party: Party, end: TapEnd): boolean {
  const { kind, name, namespace } = party;
  const isHere = namespace === undefined || end.namespace === undefined || end.namespace === namespace;
  if (kind !== "service" && isHere && (end.pod === name || (kind !== "pod" && end.workload === name))) return true;
  if (kind === "pod" || kind === "workload") return false;
  if (end.name === name || `${end.workload}.${end.namespace}` === name) return true;
  return end.services.some((host) => isHost(host, name, namespace));
}

function isHost(host: string, name: string, namespace: string | undefined): boolean {
  if (host === name) return true;
  const [first, second, third] = host.split(".");
  if (third !== "svc") return false;
  return `${first}.${second}` === name || `${first}.${second}.svc` === name || (first === name && (namespace ?? second) === second);
}

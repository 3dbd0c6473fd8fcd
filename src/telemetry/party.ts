// What a person calls an end of a request, "web", "shop/web", "web.shop", "deployment/web", "service/shop/web", "api.example.com", read in one way wherever
// requests are asked for: live ones (app/telemetry/tap) and counted ones (stat). Pure.

/** Words before a name, as kubectl has them. */
const kinds: Readonly<Record<string, PartyKind>> = {
  pod: "pod",
  pods: "pod",
  po: "pod",
  deployment: "workload",
  deployments: "workload",
  deploy: "workload",
  statefulset: "workload",
  statefulsets: "workload",
  sts: "workload",
  workload: "workload",
  workloads: "workload",
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

/** Reads a party: a kind, a namespace, both or neither before the name. `namespace` is of those that name none. */
export function parseParty(text: string, namespace: string | undefined): Party {
  const [word = "", ...after] = text.split("/");
  const kind = after.length > 0 && Object.hasOwn(kinds, word) ? kinds[word] : undefined;
  const rest = kind === undefined ? text : after.join("/");
  const slash = rest.indexOf("/");
  const place = slash < 0 ? { name: rest, namespace } : { name: rest.slice(slash + 1), namespace: rest.slice(0, slash) };
  return { text, kind: kind ?? "any", ...place };
}

/** Whether a host has this name: in full, or a service of the mesh by its first labels, "web", "web.shop", "web.shop.svc". */
export function isHostNamed(host: string, name: string): boolean {
  if (host === name) return true;
  const [first, second, third] = host.split(".");
  return third === "svc" && [first, `${first}.${second}`, `${first}.${second}.svc`].includes(name);
}

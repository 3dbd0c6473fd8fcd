// The rows of commands about who may call whom, what may leave, and the certificates behind it.

import type { Command } from "../command.ts";
import { namespaceOption, outputOption } from "./common-options.ts";

/** In the order of `lateen --help`. */
export const securityCommands: readonly Command[] = [
  {
    name: "policy can",
    onRunningMesh: true,
    summary: "may one workload call another, and why",
    args: [
      { name: "<from>", description: "namespace/name, name.namespace or kind/name of a pod, deployment or service" },
      { name: "<to>", description: "the same" },
      { name: "[request...]", description: "method and path: GET /orders (default GET /)" },
    ],
    options: [
      namespaceOption,
      { flags: "--port <port>", description: "number or name of a port of the service, or of the application" },
      { flags: "--host <host>", description: "Host header (default: the service's full name)" },
      { flags: "--header <header...>", description: '"name: value"; may be repeated' },
      { flags: "--token-claims <json>", description: "payload of a verified token, for rules that ask for it" },
      outputOption,
    ],
    examples: ["lateen policy can web orders GET /orders -n shop", "lateen policy can shop/web db.data --port 5432"],
    load: async () => (await import("./policy-can.ts")).runPolicyCan,
  },
  {
    name: "egress blocked",
    onRunningMesh: true,
    summary: "hosts outside that were refused, to whom, and the ServiceEntries that would open them",
    options: [
      { flags: "-n, --namespace <name>", description: "only callers of this namespace" },
      { ...outputOption, description: "table, json, or yaml: ServiceEntries to apply" },
    ],
    examples: ["lateen egress blocked", "lateen egress blocked -o yaml > open.yaml"],
    load: async () => (await import("./egress-blocked.ts")).runEgressBlocked,
  },
  {
    name: "ca status",
    onRunningMesh: true,
    summary: "roots that everybody trusts, their expiry, and how far a rotation is",
    options: [outputOption],
    load: async () => (await import("./ca.ts")).runCaStatus,
  },
  {
    name: "ca renew",
    onRunningMesh: true,
    summary: "give every workload a new key and certificate now",
    load: async () => (await import("./ca.ts")).runRenew,
  },
  {
    name: "ca rotate-root",
    onRunningMesh: true,
    summary: "replace the root without a failed request, and wait until it is done",
    options: [
      { flags: "--abort", description: "call a rotation off, while the old root is still trusted by all" },
      { flags: "--no-wait", description: "return at once; the rotation goes on" },
      { flags: "--timeout <duration>", description: "how long to wait for its end", default: "10m" },
    ],
    examples: ["lateen ca rotate-root", "lateen ca rotate-root --abort"],
    load: async () => (await import("./ca.ts")).runRotateRoot,
  },
];

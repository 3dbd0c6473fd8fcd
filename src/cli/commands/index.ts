// The table of commands, in the order of `lateen --help`.

import type { Command } from "../command.ts";
import { releaseCommands } from "./release.ts";

const fileOption = { flags: "-f, --filename <path...>", description: "manifest file or folder; - is stdin; may be repeated" };
const namespaceOption = { flags: "-n, --namespace <name>", description: "namespace (default: default)" };
const outputOption = { flags: "-o, --output <format>", description: "table or json", default: "table" };

export const commands: readonly Command[] = [
  {
    name: "demo",
    summary: "run the example shop with traffic and a canary two hops deep",
    options: [
      { flags: "--for <duration>", description: "end by itself after this long, for example 15s" },
      { flags: "--rate <number>", description: "requests per second sent to the gateway (at most 200)", default: "40" },
      { flags: "-o, --output <format>", description: "table, or json: one object on the last line of stdout", default: "table" },
      { flags: "--port <number>", description: "host port of the gateway; 0 = any free one" },
    ],
    examples: ["lateen demo", "lateen demo --for 15s --output json"],
    load: async () => (await import("./demo.ts")).runDemo,
  },
  {
    name: "up",
    summary: "start a mesh on this machine and run the manifests on it",
    options: [
      fileOption,
      { flags: "--config <path>", description: "lateen.yaml (default: beside the manifests or one folder above)" },
      { flags: "--no-egress", description: "cut the mesh off from the outside world" },
      {
        flags: "--metrics-port <port>",
        description: "port for Prometheus on 127.0.0.1; 0 is any, off is none (default: 15014 if it is free)",
      },
      { flags: "-d, --detach", description: "return once everything is ready; `lateen down` ends it" },
      { flags: "--timeout <duration>", description: "how long to wait for every workload to be ready", default: "60s" },
    ],
    examples: ["lateen up -f manifests/", "lateen up -d -f app.yaml --config lateen.yaml"],
    load: async () => (await import("./up.ts")).runUp,
  },
  {
    name: "down",
    onRunningMesh: true,
    summary: "stop the mesh and everything in it",
    load: async () => (await import("./down.ts")).runDown,
  },
  {
    name: "status",
    onRunningMesh: true,
    summary: "pods, proxies and whether every change has arrived",
    options: [outputOption],
    load: async () => (await import("./status.ts")).runStatus,
  },
  {
    name: "apply",
    onRunningMesh: true,
    summary: "create or change objects, and wait until every proxy has acknowledged",
    options: [
      fileOption,
      namespaceOption,
      { flags: "--no-wait", description: "return as soon as the objects are stored" },
      { flags: "--timeout <duration>", description: "how long to wait for the proxies", default: "10s" },
      { flags: "--dry-run", description: "check only, write nothing" },
    ],
    examples: ["lateen apply -f canary.yaml", "kustomize build . | lateen apply -f -"],
    load: async () => (await import("./apply.ts")).runApply,
  },
  {
    name: "get",
    onRunningMesh: true,
    summary: "list objects",
    args: [
      { name: "<kind>", description: "kind, plural or short name: vs, dr, pods …" },
      { name: "[name]", description: "one object" },
    ],
    options: [
      namespaceOption,
      { flags: "-A, --all-namespaces", description: "all namespaces" },
      { flags: "-l, --selector <selector>", description: "label selector" },
      { ...outputOption, description: "table, json, yaml or name" },
    ],
    examples: ["lateen get pods -A", "lateen get vs web -n shop -o yaml"],
    load: async () => (await import("./get.ts")).runGet,
  },
  {
    name: "describe",
    onRunningMesh: true,
    summary: "one object and what concerns it: of a pod identity, certificate, policies, routes and problems",
    args: [
      { name: "<kind>", description: "kind, plural or short name; kind/name works too" },
      { name: "[name]", description: "its name" },
    ],
    options: [namespaceOption, outputOption],
    examples: ["lateen describe pod web-v1-7d4f-x2 -n shop", "lateen describe vs web"],
    load: async () => (await import("./describe.ts")).runDescribe,
  },
  {
    name: "delete",
    onRunningMesh: true,
    summary: "delete objects by name or by manifest",
    args: [
      { name: "[kind]", description: "kind, plural or short name" },
      { name: "[names...]", description: "names" },
    ],
    options: [fileOption, namespaceOption, { flags: "--no-wait", description: "don't wait for the proxies" }],
    load: async () => (await import("./delete.ts")).runDelete,
  },
  {
    name: "logs",
    onRunningMesh: true,
    summary: "output of a pod's containers and its proxy's access log",
    args: [{ name: "<pod>", description: "pod name, or deployment/<name>" }],
    options: [
      namespaceOption,
      { flags: "-c, --container <name>", description: "container; istio-proxy is the proxy" },
      { flags: "--all-containers", description: "all of them, each line with its container's name" },
      { flags: "-f, --follow", description: "go on as lines come" },
      { flags: "--tail <lines>", description: "only the last lines" },
      { flags: "-p, --previous", description: "of the run before the last restart" },
    ],
    examples: ["lateen logs deployment/web-v1 -n shop -f", "lateen logs web-v1-7d4f-x2 -c istio-proxy"],
    load: async () => (await import("./logs.ts")).runLogs,
  },
  {
    name: "proxy list",
    onRunningMesh: true,
    aliases: ["status"],
    summary: "every Envoy, whether it is connected and has acknowledged everything",
    options: [outputOption],
    load: async () => (await import("./proxy-list.ts")).runProxyList,
  },
  {
    name: "graph",
    onRunningMesh: true,
    aliases: ["edges"],
    summary: "who calls whom right now, whether it is encrypted, and who is at both ends",
    options: [
      { flags: "--for <duration>", description: "how long to look", default: "1s" },
      { flags: "--live", description: "only what is in use now" },
      { flags: "-o, --output <format>", description: "table, json, dot or mermaid", default: "table" },
    ],
    examples: ["lateen graph", "lateen graph --for 5s -o mermaid"],
    load: async () => (await import("./graph.ts")).runGraph,
  },
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
  ...releaseCommands,
  {
    name: "check",
    summary: "see what this machine lacks for running a mesh",
    load: async () => (await import("./check.ts")).runCheck,
  },
  { name: "version", summary: "versions of Lateen, Envoy and Node", load: async () => (await import("./version.ts")).runVersion },
];

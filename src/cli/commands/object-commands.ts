// The rows of commands that read and change a mesh's objects.

import type { Command } from "../command.ts";
import { fileOption, namespaceOption, outputOption } from "./common-options.ts";

/** In the order of `lateen --help`. */
export const objectCommands: readonly Command[] = [
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
];

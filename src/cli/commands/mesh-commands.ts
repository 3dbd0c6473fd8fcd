// The rows of commands that start, watch and end a mesh.

import type { Command } from "../command.ts";
import { fileOption, outputOption } from "./common-options.ts";

/** In the order of `lateen --help`. */
export const meshCommands: readonly Command[] = [
  {
    name: "demo",
    summary: "run the example shop with traffic, release a good and a bad version two hops deep, and let it go on",
    options: [
      { flags: "--for <duration>", description: "end by itself after this long, for example 15s" },
      { flags: "--rate <number>", description: "requests per second sent to the gateway (at most 200)", default: "100" },
      {
        flags: "--scenario <name>",
        description: "show one strategy and end: canary, bluegreen, ab, shadow, dark, graduated, toggle, rolling, recreate or fault",
      },
      { flags: "-o, --output <format>", description: "table, or json: one object on the last line of stdout", default: "table" },
      { flags: "--port <number>", description: "host port of the gateway; 0 = any free one" },
    ],
    examples: ["lateen demo", "lateen demo --for 15s --output json", "lateen demo --scenario canary"],
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
];

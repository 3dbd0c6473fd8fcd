// The rows of `lateen flag …`.

import type { Command, CommandOption } from "../command.ts";
import { namespaceOption, outputOption } from "./common-options.ts";

const contextOptions: readonly CommandOption[] = [
  {
    flags: "--user <name>",
    description: "the user, as their cookie, header or claim names them at the edge (OpenFeature's targeting key)",
  },
  { flags: "--header <name=value...>", description: "a header of the request; may be repeated" },
  { flags: "--cookie <name=value...>", description: "a cookie; may be repeated" },
  { flags: "--query <name=value...>", description: "a query parameter; may be repeated" },
  { flags: "--claim <name=value...>", description: "a claim of the verified token; may be repeated" },
];

export const flagCommands: readonly Command[] = [
  {
    name: "flag list",
    onRunningMesh: true,
    summary: "feature flags, what they are for, and what somebody without a name gets",
    options: [namespaceOption, { flags: "-A, --all-namespaces", description: "all namespaces" }, outputOption],
    load: async () => (await import("./flag-show.ts")).runFlagList,
  },
  {
    name: "flag get",
    onRunningMesh: true,
    summary: "one feature flag: its variants, who gets which, and the header that says so",
    args: [{ name: "<key>", description: "key of the flag" }],
    options: [namespaceOption, { flags: "-o, --output <format>", description: "text or json", default: "text" }],
    load: async () => (await import("./flag-show.ts")).runFlagGet,
  },
  {
    name: "flag eval",
    onRunningMesh: true,
    summary: "what an application is told for a user and request, and the version that they reach",
    args: [{ name: "<key>", description: "key of the flag" }],
    options: [namespaceOption, ...contextOptions, { flags: "-o, --output <format>", description: "text or json", default: "text" }],
    examples: ["lateen flag eval new-checkout --user alice", "lateen flag eval stars -n shop --header x-shop-tester=yes"],
    load: async () => (await import("./flag-show.ts")).runFlagEval,
  },
];

// Options that several commands take, each with one meaning everywhere.

import type { CommandOption } from "../command.ts";

/** Manifests. */
export const fileOption: CommandOption = {
  flags: "-f, --filename <path...>",
  description: "manifest file or folder; - is stdin; may be repeated",
};

/** Where an object is. */
export const namespaceOption: CommandOption = { flags: "-n, --namespace <name>", description: "namespace (default: default)" };

/** For people or for programs. */
export const outputOption: CommandOption = { flags: "-o, --output <format>", description: "table or json", default: "table" };

// The table of commands, in the order of `lateen --help`; a file of rows for each thing that commands are about.

import type { Command } from "../command.ts";
import { flagCommands } from "./flag-commands.ts";
import { meshCommands } from "./mesh-commands.ts";
import { objectCommands } from "./object-commands.ts";
import { releaseCommands } from "./release-commands.ts";
import { securityCommands } from "./security-commands.ts";
import { trafficCommands } from "./traffic-commands.ts";

/** All of them. */
export const commands: readonly Command[] = [
  ...meshCommands,
  ...objectCommands,
  ...trafficCommands,
  ...securityCommands,
  ...releaseCommands,
  ...flagCommands,
  {
    name: "check",
    summary: "see what this machine lacks for running a mesh",
    load: async () => (await import("./check.ts")).runCheck,
  },
  { name: "version", summary: "versions of Lateen, Envoy and Node", load: async () => (await import("./version.ts")).runVersion },
];

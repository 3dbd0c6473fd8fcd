// `lateen version`: what runs here.

import { envoyPathOf } from "../../app/config.ts";
import { envoyVersionOf, lateenVersion } from "../../app/versions.ts";
import { exitCode, type RunCommand } from "../command.ts";

export const runVersion: RunCommand = async (_input, { terminal, env }) => {
  terminal.out(`lateen ${lateenVersion()}`);
  terminal.out(`envoy ${envoyVersionOf(envoyPathOf(env))}`);
  terminal.out(`node ${process.versions.node}`);
  return exitCode.ok;
};

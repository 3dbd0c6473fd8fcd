// `lateen check`: what this machine can't do yet, each with its fix.

import { existsSync } from "node:fs";
import { envoyPathOf } from "../../app/config.ts";
import { envoyVersionOf } from "../../app/versions.ts";
import { MeshError } from "../../lib/errors.ts";
import { preflight } from "../../platform/local/preflight.ts";
import { exitCode, type RunCommand } from "../command.ts";

interface Finding {
  readonly message: string;
  readonly fix: string;
}

export const runCheck: RunCommand = async (_input, { terminal, env }) => {
  const { colours } = terminal;
  const groups: readonly { readonly title: string; readonly findings: readonly Finding[] }[] = [
    { title: "Envoy is installed and is version 1.40", findings: checkEnvoy(env) },
    { title: "this machine can make pods (namespaces, nftables, bridges)", findings: await preflight() },
  ];
  for (const { title, findings } of groups) {
    terminal.out(`${findings.length === 0 ? colours.green("√") : colours.red("×")} ${title}`);
    for (const { message, fix } of findings) terminal.out(`    ${message}\n    fix: ${fix}`);
  }
  return groups.every(({ findings }) => findings.length === 0) ? exitCode.ok : exitCode.findings;
};

function checkEnvoy(env: Readonly<Record<string, string | undefined>>): readonly Finding[] {
  try {
    const path = envoyPathOf(env);
    const version = existsSync(path) ? envoyVersionOf(path) : "";
    if (version.startsWith("1.40.")) return [];
    return [{ message: `${path} is Envoy ${version}, and Lateen drives 1.40`, fix: "unset ENVOY_PATH and run `npm run setup`" }];
  } catch (error) {
    const { message, fix } = MeshError.from(error);
    return [{ message, fix: fix ?? "run `npm run setup`" }];
  }
}

// Absolute paths of the system programs that the local runtime starts; looked up once so that no PATH of an application matters.

import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { Unavailable } from "../../lib/errors.ts";

/** Programs from iproute2, nftables, util-linux, coreutils and the shell. */
export const toolNames = ["ip", "nft", "unshare", "setpriv", "sh", "env", "mount"] as const;
export type ToolName = (typeof toolNames)[number];
export type Tools = Readonly<Record<ToolName, string>>;

/** Where system programs live when PATH (of an ordinary user) lacks sbin. */
export const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The Debian package that has a program, for messages. */
export const packageOf: Readonly<Record<ToolName, string>> = {
  ip: "iproute2",
  nft: "nftables",
  unshare: "util-linux",
  setpriv: "util-linux",
  sh: "dash",
  env: "coreutils",
  mount: "mount",
};

/** The absolute path of a program in a PATH-like list, or undefined. */
export function findTool(name: string, path: string = systemPath): string | undefined {
  for (const directory of path.split(":")) {
    if (!directory.startsWith("/")) continue;
    const candidate = join(directory, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not there: look further.
    }
  }
  return undefined;
}

function requireTool(name: ToolName, path: string): string {
  const found = findTool(name, path);
  if (found !== undefined) return found;
  throw new Unavailable(`the program ${name} is not installed`, {
    fix: `Install the package ${packageOf[name]} (apt-get install ${packageOf[name]}).`,
  });
}

/** All programs; throws Unavailable naming the first one missing. */
export function findTools(path: string = systemPath): Tools {
  return {
    ip: requireTool("ip", path),
    nft: requireTool("nft", path),
    unshare: requireTool("unshare", path),
    setpriv: requireTool("setpriv", path),
    sh: requireTool("sh", path),
    env: requireTool("env", path),
    mount: requireTool("mount", path),
  };
}

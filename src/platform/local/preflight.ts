// What this machine lacks for the local runtime: programs, namespaces, nftables in the kernel. Tries the real thing in a throw-away namespace.

import { spawn } from "node:child_process";
import { captureRules, fabricRules } from "./capture.ts";
import { needsUserNamespace, wrapperArguments } from "./launch.ts";
import { findTool, packageOf, systemPath, type ToolName, toolNames } from "./tools.ts";

/** Something missing and what to do about it. */
export interface PreflightFinding {
  readonly message: string;
  readonly fix: string;
}

const timeoutMs = 10_000;

interface Step {
  readonly name: string;
  /** Shell text without any user data. */
  readonly command: string;
  readonly finding: PreflightFinding;
}

const steps: readonly Step[] = [
  {
    name: "mount",
    command: "mount -t tmpfs none /mnt",
    finding: {
      message: "mounting inside a mount namespace is not permitted",
      fix: "Run outside of this container, or give it CAP_SYS_ADMIN (docker run --privileged).",
    },
  },
  {
    name: "bridge",
    command: "ip link add br0 type bridge && ip link add v0 type veth peer name v1",
    finding: { message: "the kernel makes no bridges or veth pairs", fix: "Load the modules: modprobe bridge veth." },
  },
  {
    name: "nft",
    command: 'printf "%s" "$1" | nft -f - && nft flush ruleset && printf "%s" "$2" | nft -f -',
    finding: {
      message: "the kernel refuses nftables NAT rules",
      fix: "Load the modules: modprobe nf_tables nft_nat nft_redir nft_reject_inet nft_numgen.",
    },
  },
  {
    name: "forward",
    command: "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
    finding: {
      message: "/proc/sys/net is read-only in a new network namespace",
      fix: "Run outside of this container, or give it a writable /proc/sys.",
    },
  },
];

function missingTools(): readonly PreflightFinding[] {
  const missing = toolNames.filter((name: ToolName) => findTool(name, systemPath) === undefined);
  return missing.map((name) => ({ message: `the program ${name} is not installed`, fix: `apt-get install ${packageOf[name]}` }));
}

const namespaceFix = (root: boolean): string =>
  root
    ? "Run outside of this container, or give it CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged)."
    : "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000; Ubuntu 23.10 and later also kernel.apparmor_restrict_unprivileged_userns=0), or run as root.";

interface Trial {
  readonly exitCode: number | null;
  readonly stderr: string;
}

/** Runs all steps in namespaces as the node process gets them; the exit code is 10 + the step that failed, 9 when all went well. */
function tryNamespaces(): Promise<Trial> {
  const script = [...steps.map(({ command }, index) => `{ ${command}; } || exit ${10 + index}`), "exit 9"].join("\n");
  const rules = [captureRules("198.18.0.2"), fabricRules(15099, ["198.19.0.0/16"])];
  const args = [...wrapperArguments(needsUserNamespace()), findTool("sh") ?? "sh", "-c", script, "sh", ...rules];
  const child = spawn(findTool("setpriv") ?? "setpriv", args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: systemPath },
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-2000);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ exitCode: null, stderr: error.message }));
    child.once("close", (exitCode) => resolve({ exitCode, stderr: stderr.trim() }));
  });
}

async function libcFinding(): Promise<readonly PreflightFinding[]> {
  try {
    await import("koffi");
    return [];
  } catch (error) {
    return [{ message: `the package koffi does not load: ${String(error)}`, fix: "Run npm run setup again on this machine." }];
  }
}

/** Everything missing on this machine; empty when pods can be made. Takes about 50 ms. */
export async function preflight(): Promise<readonly PreflightFinding[]> {
  if (process.platform !== "linux") {
    return [
      {
        message: `the local runtime needs Linux namespaces, and this is ${process.platform}`,
        fix: "Run it in a Linux virtual machine or container.",
      },
    ];
  }
  const tools = missingTools();
  if (tools.length > 0) return tools;
  const root = process.getuid?.() === 0;
  const trial = await tryNamespaces();
  if (trial.exitCode === 9) return await libcFinding();
  const step = trial.exitCode === null ? undefined : steps[trial.exitCode - 10];
  if (step !== undefined) return [{ ...step.finding, message: `${step.finding.message} (${trial.stderr})` }];
  return [{ message: `namespaces are not permitted here (${trial.stderr})`, fix: namespaceFix(root) }];
}

// `lateen up`: starts a mesh, runs the manifests on it, and stays until Ctrl-C or `lateen down`.

import { spawn } from "node:child_process";
import { selfCommand } from "../../app/config.ts";
import { printDiagnostic } from "../../app/manifests.ts";
import { type StartedMesh, startMesh } from "../../app/mesh-start.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { type CommandContext, type CommandInput, exitCode, listOption, type RunCommand, textOption } from "../command.ts";
import { untilStopped } from "../until-stopped.ts";
import { printRefusals } from "./apply.ts";

export const runUp: RunCommand = async (input, context) => {
  if (input.options["detach"] === true) return detached(context);
  const { terminal, signal } = context;
  const startedAt = performance.now();
  const mesh = await startMesh({ ...requestOf(input, context), onApplied: ({ resources }) => printRefusals(resources, context) });
  try {
    report(mesh, performance.now() - startedAt, context);
    process.send?.({ type: "ready", waiting: mesh.waiting.length });
    await untilStopped(mesh.supervisor, signal, terminal);
    terminal.err("stopping");
  } finally {
    await mesh.supervisor.close();
  }
  return exitCode.ok;
};

function requestOf({ options }: CommandInput, context: CommandContext) {
  const { config, terminal, env, cwd, signal } = context;
  const timeoutMs = parseDuration(textOption(options, "timeout") ?? "60s");
  if (timeoutMs === undefined) throw new UsageError("--timeout is not a duration", { fix: "write for example --timeout 60s" });
  const files = listOption(options, "filename");
  if (files.length === 0) throw new UsageError("no manifest is named", { fix: "add -f <file or folder>" });
  return {
    config,
    env,
    cwd,
    signal,
    timeoutMs,
    files,
    lateenYaml: textOption(options, "config"),
    egress: options["egress"] !== false,
    metricsPort: metricsPortOption(textOption(options, "metricsPort")),
    onProgress: (line: string) => terminal.err(terminal.colours.dim(line)),
    onDiagnostic: (diagnostic: Parameters<typeof printDiagnostic>[0]) => terminal.err(printDiagnostic(diagnostic)),
  };
}

function metricsPortOption(text: string | undefined): number | "off" | undefined {
  if (text === undefined || text === "off") return text;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError("--metrics-port is not a port", { fix: "write for example --metrics-port 15014, 0 for any free one, or off" });
}

function report({ supervisor, waiting }: StartedMesh, elapsedMs: number, { terminal, config }: CommandContext): void {
  const { colours } = terminal;
  for (const { name, reason } of waiting) terminal.err(`${colours.yellow("not ready:")} ${name}: ${reason}`);
  const state = waiting.length === 0 ? colours.green("everything is ready") : colours.yellow("up, but not everything is ready");
  terminal.err(`mesh ${colours.bold(config.mesh)}: ${state} after ${(elapsedMs / 1000).toFixed(1)} s`);
  for (const [port, hostPort] of supervisor.gatewayPorts) terminal.err(`gateway port ${port} is http://127.0.0.1:${hostPort}`);
  const { metricsPort } = supervisor;
  if (metricsPort !== undefined) terminal.err(`metrics for Prometheus are http://127.0.0.1:${metricsPort}/metrics`);
  // Of one in the background whoever started it says how it ends.
  const end = process.send === undefined ? `    end: Ctrl-C or lateen down --mesh ${config.mesh}` : "";
  terminal.err(`look: lateen status --mesh ${config.mesh}${end}`);
}

/** Starts the same command again in the background and returns when it is ready or has failed. */
function detached({ terminal, config }: CommandContext): Promise<number> {
  const [node, ...before] = selfCommand();
  const args = process.argv.slice(2).filter((word) => word !== "-d" && word !== "--detach");
  const child = spawn(node, [...before, ...args], { detached: true, stdio: ["ignore", "ignore", "pipe", "ipc"] });
  child.stderr?.on("data", (chunk: Buffer) => void process.stderr.write(chunk));
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code ?? exitCode.failed));
    child.once("message", () => {
      terminal.err(`the mesh goes on in the background; \`lateen down --mesh ${config.mesh}\` ends it`);
      terminal.err(`what crashes or fails from now on: \`lateen logs --own --mesh ${config.mesh}\``);
      child.stderr?.destroy();
      child.disconnect();
      child.unref();
      resolve(exitCode.ok);
    });
  });
}

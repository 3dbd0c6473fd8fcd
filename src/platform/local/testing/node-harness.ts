// Starts a test's node process and asks it to run scenarios; `close` leaves nothing behind.

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { createHostResolver, serveDnsQueries } from "../dns-forward.ts";
import type { ForwardDns } from "../dns-server.ts";
import { type DialerOptions, serveDials } from "../egress-dialer.ts";
import { type NodeProcess, startNodeProcess } from "../launch.ts";
import { systemPath } from "../tools.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const resultSchema = z.object({ id: z.number(), value: z.unknown(), error: z.string().optional() });

export interface TestNodeOptions {
  readonly envoyPath?: string;
  readonly egress?: boolean;
  readonly dialer?: DialerOptions;
  readonly resolver?: ForwardDns;
}

export interface TestNode {
  readonly process: NodeProcess;
  readonly runDir: string;
  /** Runs a scenario of scenarios.ts in the node process. */
  run(name: string, input?: unknown): Promise<unknown>;
  close(): Promise<void>;
}

/** An executable that behaves as Envoy for the mesh. */
function writeFakeEnvoy(directory: string): string {
  const path = join(directory, "envoy");
  writeFileSync(
    path,
    `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${join(here, "fake-envoy.ts")}' "$@"\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

export async function startTestNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const runDir = mkdtempSync(join(tmpdir(), "lt-"));
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  let nextId = 0;
  const input = { runDir, envoyPath: options.envoyPath ?? writeFakeEnvoy(runDir), egress: options.egress ?? true };
  const started = await startNodeProcess({
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", join(here, "node-program.ts"), JSON.stringify(input)],
    env: { PATH: systemPath },
    cwd: here,
    onStderr: (chunk) => process.stderr.write(chunk),
    onStart: (channel) => {
      serveDials(channel, options.dialer);
      serveDnsQueries(channel, options.resolver ?? createHostResolver());
      channel.onMessage((message) => {
        if (message.kind !== "test.result") return;
        const result = resultSchema.parse(message);
        const waiting = pending.get(result.id);
        if (result.error === undefined) waiting?.resolve(result.value);
        else waiting?.reject(new Error(result.error));
      });
      channel.onClose(() => {
        for (const { reject } of pending.values()) reject(new Error("the node process has ended"));
      });
    },
  }).catch((error: unknown) => {
    rmSync(runDir, { recursive: true, force: true });
    throw error;
  });
  const run = (name: string, value: unknown = {}): Promise<unknown> => {
    nextId += 1;
    const id = nextId;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      started.channel.send({ kind: "test.run", id, name, input: value });
    });
  };
  const close = async (): Promise<void> => {
    await started.stop({ graceMs: 5000 });
    rmSync(runDir, { recursive: true, force: true });
  };
  return { process: started, runDir, run, close };
}

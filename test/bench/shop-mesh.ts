// The demo's shop as `lateen up` starts it from the built program: a process, a runtime directory and free ports of its own.

import type { ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { createApiClient } from "../../src/http/client.ts";
import type { ApiClient } from "../../src/http/client-types.ts";
import type { BenchContext } from "./benchmark.ts";
import { startProcess, stopProcess, temporaryFolder } from "./workspace.ts";

const startMs = 60_000;

export interface ShopMesh {
  readonly pid: number;
  readonly client: ApiClient;
  /** With which a command finds the mesh. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Everything it printed, with the milliseconds since its start. */
  readonly lines: readonly { readonly text: string; readonly atMs: number }[];
  /** When the process was started, in milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** Milliseconds from the start of the process until it said that everything is ready. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

const program = z.looseObject({ workingDir: z.string() });
const lateenYaml = z.looseObject({ images: z.record(z.string(), program), external: z.record(z.string(), program) });

/** Starts it; resolves when it says that all of it is ready. @throws Error with what it said when it is not. */
export async function startShop(context: BenchContext): Promise<ShopMesh> {
  const shop = join(context.root, "examples/shop");
  const home = temporaryFolder(context);
  const config = join(home, "lateen.yaml");
  writeFileSync(config, shopOnFreePort(readFileSync(join(shop, "lateen.yaml"), "utf8"), shop));
  const args = [context.program, "--mesh", "b", "up", "-f", join(shop, "manifests"), "--config", config];
  const startedAt = performance.timeOrigin + performance.now();
  const env = { ...process.env, XDG_RUNTIME_DIR: home, NO_COLOR: "1" };
  const child = startProcess([process.execPath, ...args], { env, stdio: ["ignore", "ignore", "pipe"], detached: true, cwd: "/" });
  context.cleanup.defer(() => stopProcess(child, "SIGTERM"));
  const lines: { text: string; atMs: number }[] = [];
  const readyMs = await untilReady(child, lines, startedAt);
  const client = createApiClient({ socketPath: join(home, "lateen/b/api.sock") });
  const stop = async () => {
    client.close();
    await stopProcess(child, "SIGTERM");
  };
  return { pid: child.pid ?? 0, client, env, lines, startedAt, readyMs, stop };
}

/** The shop's lateen.yaml elsewhere: absolute folders, and any free port for the gateway. */
function shopOnFreePort(text: string, folder: string): string {
  const { images, external, ...rest } = lateenYaml.parse(parse(text));
  const absolute = (programs: typeof images) =>
    Object.fromEntries(
      Object.entries(programs).map(([name, entry]) => [name, { ...entry, workingDir: resolve(folder, entry.workingDir) }]),
    );
  return stringify({ ...rest, images: absolute(images), external: absolute(external), gateway: { ports: { 80: 0 } } });
}

function untilReady(child: ChildProcess, lines: { text: string; atMs: number }[], startedAt: number): Promise<number> {
  let rest = "";
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`lateen up ${what}; it said:\n${lines.map(({ text }) => text).join("\n")}`));
    const timer = setTimeout(() => fail(`was not ready within ${startMs / 1000} s`), startMs);
    child.stderr?.on("data", (chunk: Buffer) => {
      const atMs = performance.timeOrigin + performance.now() - startedAt;
      const parts = (rest + chunk.toString("utf8")).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts.map((text) => ({ text, atMs })));
      if (!parts.some((text) => text.includes("everything is ready"))) return;
      clearTimeout(timer);
      resolve(atMs);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  });
}

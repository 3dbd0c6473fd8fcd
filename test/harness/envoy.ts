// A real Envoy for tests: started with a bootstrap on an admin socket of its own, awaited, killed.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { any } from "../../src/envoy/any.ts";
import { eventually } from "./eventually.ts";

export interface RunningEnvoy extends AsyncDisposable {
  /** The answer of the admin interface; every change is a POST. */
  readonly admin: (path: string, method?: "GET" | "POST") => Promise<string>;
  readonly pid: number;
  /** The last 20,000 characters it logged. */
  readonly log: () => string;
}

const readyWithinMs = 60_000;

/** A folder that may hold Unix sockets (their paths are limited to 107 bytes); removed on disposal. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lateen-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Starts Envoy; resolves when it is ready unless `awaitReady` is false. Throws with Envoy's log when it is not in time. */
export async function startEnvoy(
  bootstrap: BootstrapJson,
  { awaitReady = true, flags: more = [] }: { readonly awaitReady?: boolean; readonly flags?: readonly string[] } = {},
): Promise<RunningEnvoy> {
  const envoyPath = process.env["ENVOY_PATH"];
  if (envoyPath === undefined) throw new Error("ENVOY_PATH is not set: run tests with `npm test` or `node scripts/run.mjs vitest`");
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const socketPath = join(folder.path, "admin.sock");
  const config = join(folder.path, "envoy.json");
  await writeFile(config, JSON.stringify({ ...bootstrap, admin: { address: { pipe: { path: socketPath } } } }));
  const flags = [
    "--concurrency",
    "1",
    "--disable-hot-restart",
    "--log-level",
    "warning",
    "--drain-time-s",
    "1",
    "--file-flush-interval-msec",
    "100",
    ...more,
  ];
  const envoy = spawn(envoyPath, ["-c", config, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  envoy.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  });
  const exited = new Promise<void>((resolve) => envoy.once("exit", () => resolve()));
  const kill = (): boolean => envoy.kill("SIGKILL");
  process.once("exit", kill);
  cleanup.defer(async () => {
    process.off("exit", kill);
    kill();
    await exited;
  });
  const admin = (path: string, method = "GET"): Promise<string> => adminCall({ socketPath, path, method });
  const isReady = async () => {
    if (envoy.exitCode !== null) throw new Error(`Envoy exited with ${envoy.exitCode}: ${log}`);
    const answer = await admin("/ready").catch(() => "");
    return awaitReady ? answer.trim() === "LIVE" : answer !== "";
  };
  await eventually(isReady, readyWithinMs, "Envoy's readiness").catch((cause) => {
    throw new Error(`Envoy is not ready: ${log}`, { cause });
  });
  const stack = cleanup.move();
  return { admin, pid: envoy.pid ?? 0, log: () => log, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function adminCall(options: { readonly socketPath: string; readonly path: string; readonly method: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    });
    call.on("error", reject);
    call.end();
  });
}

/** A bootstrap that gets everything by delta ADS from a Unix socket, as ours does. */
export function adsBootstrap(xdsSocket: string, nodeId: string): BootstrapJson {
  const ads = { resourceApiVersion: "V3", ads: {} } as const;
  return {
    node: { id: nodeId, cluster: "test" },
    dynamicResources: {
      adsConfig: {
        apiType: "DELTA_GRPC",
        transportApiVersion: "V3",
        setNodeOnFirstMessageOnly: true,
        grpcServices: [{ envoyGrpc: { clusterName: "xds" } }],
      },
      cdsConfig: { ...ads, initialFetchTimeout: "0s" },
      ldsConfig: { ...ads, initialFetchTimeout: "0s" },
    },
    layeredRuntime: {
      layers: [
        { name: "weights", rtdsLayer: { name: "weights", rtdsConfig: { ...ads, initialFetchTimeout: "0s" } } },
        { name: "admin", adminLayer: {} },
      ],
    },
    staticResources: {
      clusters: [
        {
          name: "xds",
          type: "STATIC",
          connectTimeout: "1s",
          typedExtensionProtocolOptions: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(HttpProtocolOptionsSchema, {
              explicitHttpConfig: { http2ProtocolOptions: {} },
            }),
          },
          loadAssignment: {
            clusterName: "xds",
            endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path: xdsSocket } } } }] }],
          },
        },
      ],
    },
  };
}

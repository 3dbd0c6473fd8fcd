// `lateen tap` and the merged `lateen logs` during traffic that is known: through a gateway to two versions, tried again, mirrored, denied, over TCP, and
// over the end of the control plane.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { TapEvent } from "../../src/http/tap-contract.ts";
import { lateenOn, runtimeDirOf } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { subsetsYaml } from "../harness/manifests.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { findProcesses } from "../harness/processes.ts";
import { mainPath, root } from "../harness/program.ts";
import { istioYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const v1 = to("web", "v1");
const v2 = to("web", "v2");

/** Says what it is asked for, a moment after the request began. */
const talker = `
import { createServer } from "node:http";
createServer((request, response) => setTimeout(() => {
  if (request.url !== "/healthz") console.log("asked for " + request.url);
  response.end();
}, 20)).listen(8080);
`;

const talkerYaml = yamlOf(
  serviceYaml("talker", { ports: [{ name: "http", port: 80, targetPort: 8080 }] }),
  stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "talker", namespace: "default" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "talker" } },
      template: { metadata: { labels: { app: "talker" } }, spec: { containers: [{ name: "app", image: "test/talker" }] } },
    },
  }),
);

const rules = yamlOf(
  istioYaml("Gateway", "edge", {
    selector: { istio: "ingressgateway" },
    servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["web.test"] }],
  }),
  istioYaml("VirtualService", "entry", {
    hosts: ["web.test"],
    gateways: ["edge"],
    http: [
      {
        name: "split",
        route: [
          { ...v1.route[0], weight: 75 },
          { ...v2.route[0], weight: 25 },
        ],
      },
    ],
  }),
  istioYaml("VirtualService", "web", {
    hosts: ["web"],
    http: [
      { name: "again", match: [{ uri: { prefix: "/again" } }], retries: { attempts: 2, retryOn: "5xx", backoff: "1ms" }, ...v1 },
      { match: [{ uri: { exact: "/other" } }, { uri: { prefix: "/copied" } }], mirror: { host: "web", subset: "v2" }, ...v1 },
      { name: "rest", ...v2 },
    ],
  }),
  `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  action: DENY
  rules: [{to: [{operation: {paths: [/secret], ports: ["8080"]}}]}]
`,
  subsetsYaml("web", ["v1", "v2"]),
  istioYaml("DestinationRule", "talker", { host: "talker", trafficPolicy: { loadBalancer: { simple: "ROUND_ROBIN" } } }),
);

beforeAll(async () => {
  const images = { "test/talker": { command: ["node", "--input-type=module", "-e", talker] } };
  mesh = await TestMesh.start({
    manifests: yamlOf(appYaml("web", ["v1", "v2"]), appYaml("client", ["v1"]), talkerYaml, rules),
    lateenYaml: { images },
  });
});

afterAll(async () => {
  await mesh?.close();
});

interface Watching {
  readonly child: ChildProcess;
  readonly events: readonly TapEvent[];
  readonly said: () => string;
  /** Events once there are at least so many. */
  first(count: number): Promise<readonly TapEvent[]>;
  /** Ctrl-C; the exit code. */
  end(): Promise<number | null>;
}

const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** `lateen tap … -o jsonl`, once every proxy tells. */
async function watching(...args: readonly string[]): Promise<Watching> {
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDirOf(mesh), NO_COLOR: "1" };
  const child = spawn(process.execPath, [mainPath, "--mesh", "t", "tap", "-o", "jsonl", ...args], { cwd: root, env });
  running.push(child);
  const events: TapEvent[] = [];
  let [rest, said] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    events.push(...lines.map((line) => JSON.parse(line) as TapEvent));
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
  await eventually(() => said.includes("watching"), 60_000, "a tap that watches").catch((cause) => {
    throw new Error(said, { cause });
  });
  return {
    child,
    events,
    said: () => said,
    first: async (count) => {
      await eventually(() => events.length >= count, 60_000, `${count} events`).catch((cause) => {
        throw new Error(`${JSON.stringify(events, null, 2)}\n${said}`, { cause });
      });
      return events;
    },
    end: () => {
      child.kill("SIGINT");
      return exited;
    },
  };
}

const client = { name: "default/client-v1", kind: "workload", version: "v1" };
const webV1 = { name: "default/web-v1", kind: "workload", workload: "web-v1", version: "v1" };
const webV2 = { name: "default/web-v2", kind: "workload", workload: "web-v2", version: "v2" };
const identity = "spiffe://cluster.local/ns/default/sa/default";

describe("tap", () => {
  it("tells of each request once, what both proxies saw, and the rule that routed it", async () => {
    const tap = await watching("service/web");
    const outside = await mesh.gatewayLoad("/entry", { host: "web.test", count: 20, headers: { host: "web.test" } });
    expect(outside.total).toBe(20);
    await mesh.http("client", "http://web/other?x=1");
    await mesh.http("client", "http://web/again?status=503");
    await mesh.http("client", "http://web/secret");
    await mesh.http("client", "http://web/copied");
    await eventually(() => tap.events.some(({ mirrored, path }) => mirrored && path === "/copied"), 60_000, "the copy");
    // 20 from outside, two originals with their copies, three tries of one, one denied.
    const events = await tap.first(28);
    expect(await tap.end()).toBe(0);
    expect(events).toHaveLength(28);
    const of = (path: string) => events.filter((event) => event.path === path);

    const entries = of("/entry");
    const version = (name: string) => entries.filter(({ destination }) => destination.version === name).length;
    expect(version("v1")).toBe(outside.byVersion["v1"] ?? 0);
    expect(version("v2")).toBe(outside.byVersion["v2"] ?? 0);
    for (const event of entries) {
      const share = event.destination.version === "v1" ? 75 : 25;
      expect(event).toMatchObject({
        method: "GET",
        authority: "web.test",
        source: { kind: "gateway", name: "istio-system/istio-ingressgateway" },
        destination: { kind: "workload", identity },
        client: { code: 200, attempts: 1 },
        server: { code: 200 },
        rule: {
          text: `VirtualService default/entry http[0] "split" → ${event.destination.version} (${share} %)`,
          resource: "VirtualService default/entry",
          path: "spec.http[0]",
          name: "split",
          weightPercent: share,
        },
        mirrored: false,
        failed: false,
      });
      expect(event.requestId).not.toBe("");
    }

    const [other, copyOfOther] = of("/other?x=1").toSorted((a, b) => Number(a.mirrored) - Number(b.mirrored));
    expect(other).toMatchObject({
      source: { ...client, identity },
      destination: webV1,
      rule: { text: "VirtualService default/web http[1] → v1", path: "spec.http[1].match[0]", subset: "v1" },
      server: { code: 200 },
      mirrored: false,
    });
    expect(copyOfOther).toMatchObject({ source: client, destination: webV2, server: { code: 200 }, mirrored: true });
    expect(copyOfOther?.client).toBeUndefined();
    expect(
      of("/copied")
        .map(({ rule, mirrored }) => (mirrored ? "copy" : rule?.path))
        .toSorted(),
    ).toEqual(["copy", "spec.http[1].match[1]"]);

    const tries = of("/again?status=503");
    expect(tries.filter((event) => event.client !== undefined)).toHaveLength(1);
    expect(tries.flatMap(({ server }) => server?.attempts ?? []).toSorted()).toEqual([1, 2, 3]);
    expect(tries.filter(({ earlierTry }) => earlierTry)).toHaveLength(2);
    expect(tries.find((event) => event.client !== undefined)).toMatchObject({
      client: { code: 503, attempts: 3, flags: expect.arrayContaining(["URX"]) },
      server: { code: 503, attempts: 3 },
      rule: { path: "spec.http[0].match[0]", name: "again" },
      failed: true,
    });

    expect(of("/secret")).toMatchObject([
      {
        client: { code: 403 },
        server: { code: 403, details: expect.stringContaining("policy[closed]") },
        rule: { text: 'VirtualService default/web http[2] "rest" → v2' },
      },
    ]);
  });

  it("shows only what was asked for", async () => {
    const [failed, slow, codes] = await Promise.all([
      watching("--failed", "--from", "client"),
      watching("--to", "web", "--min-duration", "2s", "--method", "get", "--path", "/s*w"),
      watching("-n", "default", "--status", "404,none", "--limit", "1"),
    ]);
    for (const query of ["/slow?delay=2200", "/snow", "/slow", "/gone?status=404", "/bad?status=500"])
      await mesh.http("client", `http://web${query}`);
    await Promise.all([failed.first(1), slow.first(1), codes.first(1)]);
    // A number of lines ends it by itself.
    await eventually(() => codes.child.exitCode === 0, 60_000, "the end of a tap with a limit");
    expect(await failed.end()).toBe(0);
    expect(await slow.end()).toBe(0);
    expect(failed.events.map(({ path }) => path)).toEqual(["/bad?status=500"]);
    expect(slow.events.map(({ path }) => path)).toEqual(["/slow?delay=2200"]);
    expect(codes.events.map(({ path }) => path)).toEqual(["/gone?status=404"]);
  });

  it("tells of connections, and goes on when the control plane was away", async () => {
    const tap = await watching("client");
    await mesh.run("client", { kind: "tcp-once", host: "web", port: 83 });
    const closed = () => tap.events.find(({ kind }) => kind === "closed");
    await eventually(() => closed() !== undefined, 60_000, "a closed connection");
    expect(closed()).toMatchObject({
      protocol: "TCP",
      source: client,
      destination: { services: expect.arrayContaining(["web.default.svc.cluster.local"]) },
      rule: { text: "Service default/web port 83" },
      client: { proxy: expect.stringMatching(/^client/) },
      server: { proxy: expect.stringMatching(/^web/) },
    });
    const kinds = () => tap.events.map(({ kind }) => kind).filter((kind) => kind !== "request");
    await eventually(() => kinds().length >= 2, 60_000, "both lines of a connection");
    expect(kinds()).toEqual(["connected", "closed"]);
    const [controlPlane] = findProcesses(mesh.pid, /"role":"control-plane"/).toReversed();
    process.kill(controlPlane?.pid ?? 0, "SIGKILL");
    await eventually(() => tap.said().split("watching").length > 2, 60_000, "a tap that watches again");
    expect(tap.said()).toContain("the control plane is away");
    const answer = await mesh.http("client", "http://web/afterwards");
    expect(answer.status).toBe(200);
    await eventually(() => tap.events.some(({ path }) => path === "/afterwards"), 60_000, "the request afterwards");
    expect(await tap.end()).toBe(0);
  });

  it("says who is there when nobody of that name is", async () => {
    const result = await lateenOn(mesh, ["tap", "nobody"]);
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no workload, pod or service nobody.*workloads: .*default\/web-v1/),
    });
  });
});

describe("logs", () => {
  it("merge programs and proxies of all pods by time", async () => {
    const paths = Array.from({ length: 6 }, (_, index) => `/talk-${index}`);
    const [first = "", second = ""] = await mesh.pods("talker");
    const outputOf = (pod: string) => readFileSync(join(mesh.runDir, "logs", `default_${pod}_app.log`), "utf8");
    for (const path of paths) {
      await mesh.http("client", `http://talker${path}`);
      // A line has the time at which it was read: before the next request, or their order is anybody's guess.
      await eventually(() => `${outputOf(first)}${outputOf(second)}`.includes(`asked for ${path}\n`), 60_000, `${path} in the output`);
    }
    for (const path of paths) await mesh.logged((line) => line.includes(path) && line.includes("inbound|8080||"));
    const merged = await lateenOn(mesh, ["logs", "deployment/talker"]);
    expect(merged.code).toBe(0);
    const seen = merged.stdout.split("\n").flatMap((line) => {
      const [, pod, container, path] = /^(\S+)\/(\S+) .*(\/talk-\d)\b/.exec(line) ?? [];
      return path === undefined ? [] : [{ pod, container, path }];
    });
    // Each request: first the proxy's line of where it began, then what the program said, of the same pod.
    expect(seen.map(({ container, path }) => `${container} ${path}`)).toEqual(
      paths.flatMap((path) => [`istio-proxy ${path}`, `app ${path}`]),
    );
    for (const path of paths) expect(new Set(seen.filter((line) => line.path === path).map(({ pod }) => pod)).size).toBe(1);
    expect(new Set(seen.map(({ pod }) => pod))).toEqual(new Set([first, second]));
    const told = paths.map((path) => `asked for ${path}`);
    const [service, selected, one, unknown] = await Promise.all([
      lateenOn(mesh, ["logs", "service/talker", "--no-proxy", "--no-prefix"]),
      lateenOn(mesh, ["logs", "-l", "app=talker", "-c", "app", "-o", "jsonl"]),
      lateenOn(mesh, ["logs", first]),
      lateenOn(mesh, ["logs", "deployment/nobody"]),
    ]);
    const linesOf = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");
    expect(linesOf(service.stdout)).toEqual(told);
    expect(linesOf(selected.stdout).map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(told);
    // A pod's own output is what it was.
    expect(linesOf(one.stdout).length).toBeGreaterThan(0);
    expect(linesOf(one.stdout).every((line) => line.startsWith("asked for /talk-"))).toBe(true);
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("deployments of namespace default: ") });
  });
});

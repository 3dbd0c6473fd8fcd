// An application can't step around its proxy or reach into it, and everything it sends goes through it; and what leads outside.

import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";

const harness = fileURLToPath(new URL("../harness", import.meta.url));
const waitMs = 60_000;
let mesh: TestMesh;
let host: Server;
let hostPort = 0;

beforeAll(async () => {
  host = createServer((_request, response) => response.end("from the host"));
  await new Promise<void>((resolve) => host.listen(0, "127.0.0.1", resolve));
  const address = host.address();
  hostPort = typeof address === "object" && address !== null ? address.port : 0;
  const lateenYaml = {
    images: { "test/intruder": { command: ["sh", "-c", 'exec python3 intruder.py "$0"'], workingDir: harness } },
  };
  mesh = await TestMesh.start({
    manifests: `${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"])}`,
    lateenYaml,
    args: ["--no-egress"],
  });
});

afterAll(async () => {
  host?.close();
  await mesh?.close();
});

describe("an application", () => {
  it("can't get around its proxy", async () => {
    await mesh.apply(`
apiVersion: v1
kind: Pod
metadata: {name: intruder, namespace: default}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: app, image: test/intruder, args: ["${mesh.runDir}"]}]
`);
    const log = join(mesh.runDir, "logs", "default_intruder_app.log");
    await eventually(() => existsSync(log) && readFileSync(log, "utf8").includes("REPORT"), waitMs, "the intruder's report");
    const report: Record<string, string> = JSON.parse(/REPORT (.*)/.exec(readFileSync(log, "utf8"))?.[1] ?? "{}");
    const done = Object.entries(report).filter(([, outcome]) => !outcome.startsWith("refused"));
    expect(done).toEqual([]);
    expect(Object.keys(report).length).toBeGreaterThanOrEqual(18);
    // The proxy is as it was.
    expect((await mesh.client.proxies()).proxies.every(({ connected }) => connected)).toBe(true);
  });

  it("reaches everything through its proxy, also by address and on any port", async () => {
    const [server = ""] = await mesh.pods("server");
    const { status } = (await mesh.client.get({ kind: "Pod", name: server })) as unknown as { status: { podIP: string } };
    expect((await mesh.http("client", `http://${status.podIP}:8080/by-address`)).status).toBe(200);
    await mesh.logged((line) => line.includes("/by-address") && line.includes("inbound|8080"), "the server's proxy saw it");
    await expect(mesh.run("client", { kind: "tcp-once", host: status.podIP, port: 8082 })).resolves.toMatchObject({});
    await mesh.logged((line) => line.includes(`${status.podIP}:8082`) && line.includes("PassthroughCluster"), "the client's proxy saw it");
  });

  it("finds services by every form of their name, and nothing else", async () => {
    for (const name of ["server", "server.default", "server.default.svc", "server.default.svc.cluster.local"]) {
      expect((await mesh.http("client", `http://${name}/`)).status, name).toBe(200);
    }
    const nowhere = await mesh.http("client", "http://nowhere.invalid/");
    expect(nowhere.status).toBe(0);
    expect(nowhere.error).toContain("ENOTFOUND");
  });

  it("doesn't reach the host's loopback, nor the outside with --no-egress", async () => {
    const loopback = await mesh.http("client", `http://127.0.0.1:${hostPort}/`);
    expect(loopback.status).toBe(0);
    for (const address of ["198.18.0.1", "192.0.2.1"]) {
      const result = await mesh.http("client", `http://${address}:${hostPort}/`, { timeoutMs: 8000 });
      expect(result.status === 0 || result.status === 503, `${address}: ${JSON.stringify(result)}`).toBe(true);
    }
  });
});

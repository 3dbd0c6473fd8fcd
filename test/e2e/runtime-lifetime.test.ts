// However a mesh ends, nothing of it is left: no process, namespace, mount or file; and the next one of the same name starts.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { lateen } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { descendantsOf, findProcesses, living, networkNamespaces } from "../harness/processes.ts";
import { startUp, type UpProcess } from "../harness/up-process.ts";

const manifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: test/sleeper}]
`;
const goneMs = 60_000;
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "lt-"));
  writeFileSync(join(home, "app.yaml"), manifests);
  // An application that hides a grandchild in a session of its own: what plain process groups would leave behind.
  const command = ["sh", "-c", "setsid sleep 1000000 & exec sleep 1000000"];
  writeFileSync(join(home, "lateen.yaml"), stringify({ gateway: { ports: { 80: 0 } }, images: { "test/sleeper": { command } } }));
});

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
});

async function up(mesh = "t"): Promise<UpProcess> {
  return startUp({ home, mesh, args: ["-f", join(home, "app.yaml")] });
}

/** Runs a mesh, ends it in some way, and looks whether anything is left. */
async function nothingLeftAfter(end: (running: UpProcess) => Promise<void> | void, mesh = "t"): Promise<void> {
  const running = await up(mesh);
  const facts = descendantsOf(running.pid);
  const own = new Set(networkNamespaces());
  own.delete(facts[0]?.net ?? "");
  const namespaces = facts.map(({ net }) => net).filter((net) => net !== undefined && net !== facts[0]?.net);
  expect(facts.filter(({ command }) => command.includes("sleep 1000000")).length).toBeGreaterThanOrEqual(4);
  expect(facts.filter(({ command }) => command.includes("envoy")).length).toBeGreaterThanOrEqual(2);
  await end(running);
  await running.exited;
  await eventually(() => living(facts).length === 0, goneMs, "every process gone");
  await eventually(() => readdirSync(join(home, "lateen")).length === 0, goneMs, "the runtime directory gone");
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(home);
  // Whoever was started after the processes were noted, as a probe is, ends with the others, not before.
  const left = () => namespaces.filter((net) => net !== undefined && networkNamespaces().has(net));
  await expect.poll(left, { timeout: goneMs }).toEqual([]);
}

describe("nothing is left of a mesh", () => {
  it("after lateen down", async () => {
    await nothingLeftAfter(async () => {
      const result = await lateen(["--mesh", "t", "down"], { runtimeDir: home });
      expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing of it is left") });
    });
  });

  it("after Ctrl-C", async () => {
    await nothingLeftAfter((running) => running.kill("SIGINT"));
  });

  it("after SIGTERM", async () => {
    await nothingLeftAfter((running) => running.kill("SIGTERM"));
  });

  it("after kill -9 of the supervisor", async () => {
    await nothingLeftAfter((running) => running.kill("SIGKILL"));
  });

  it("after kill -9 of the node, and up says so", async () => {
    await nothingLeftAfter(async (running) => {
      const [node] = findProcesses(running.pid, /"role":"node"/);
      process.kill(node?.pid ?? 0, "SIGKILL");
      expect(await running.exited).toBe(1);
      expect(running.said()).toContain("the node process ended");
    });
  });

  it("after Ctrl-C while it starts", async () => {
    const running = startUp({ home, mesh: "t", args: ["-f", join(home, "app.yaml")], untilUp: false });
    const { pid, said, exited } = await running;
    await eventually(() => said().includes("control plane and node are up"), goneMs);
    const facts = descendantsOf(pid);
    process.kill(pid, "SIGINT");
    await exited;
    await eventually(() => living(facts).length === 0, goneMs, "every process gone");
    await eventually(() => readdirSync(join(home, "lateen")).length === 0, goneMs, "the runtime directory gone");
  });
});

describe("a mesh in the background", () => {
  it("goes on when nobody hears its messages, until lateen down", async () => {
    const on = (...args: readonly string[]) => lateen(["--mesh", "back", ...args], { runtimeDir: home });
    const up = await on("up", "-d", "-f", join(home, "app.yaml"));
    expect(up).toMatchObject({ code: 0, stderr: expect.stringContaining("goes on in the background") });
    expect(up.stderr).not.toContain("Ctrl-C");
    try {
      const pid: unknown = JSON.parse(readFileSync(join(home, "lateen", "back", "supervisor.json"), "utf8")).pid;
      if (typeof pid !== "number") throw new Error("supervisor.json names no process");
      const [controlPlane] = findProcesses(pid, /"role":"control-plane"/);
      process.kill(controlPlane?.pid ?? 0, "SIGKILL");
      // The supervisor says so, to nobody, and to whoever looks later.
      await eventually(() => findProcesses(pid, /"role":"control-plane"/).some((each) => each.pid !== controlPlane?.pid), goneMs);
      await eventually(async () => (await on("status")).stdout.includes("3 of 3 have acknowledged everything"), goneMs);
      expect((await on("logs", "--own")).stdout).toMatch(/warn supervisor: the control plane ended and is started again {2}how=SIGKILL/);
    } finally {
      expect((await on("down")).stderr).toContain("nothing of it is left");
    }
  });
});

describe("several meshes", () => {
  it("run at the same time, and a name runs once", async () => {
    const [first, second] = await Promise.all([up("one"), up("two")]);
    try {
      const again = await lateen(["--mesh", "one", "up", "-f", join(home, "app.yaml")], { runtimeDir: home });
      expect(again.code).not.toBe(0);
      expect(again.stderr).toContain(`the mesh "one" is already running (process ${first.pid})`);
      expect(again.stderr).toContain("fix: stop it with `lateen down --mesh one`");
      const status = await lateen(["--mesh", "two", "status"], { runtimeDir: home });
      expect(status.code).toBe(0);
      const unnamed = await lateen(["status"], { runtimeDir: home, cwd: "/" });
      expect(unnamed.code).toBe(69);
    } finally {
      first.kill("SIGTERM");
      await first.exited;
      expect(existsSync(join(home, "lateen", "two", "api.sock"))).toBe(true);
      second.kill("SIGTERM");
      await second.exited;
    }
    await eventually(() => readdirSync(join(home, "lateen")).length === 0, goneMs, "both runtime directories gone");
  });

  it("a taken host port is a clear error and leaves nothing", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const config = join(home, "taken.yaml");
    writeFileSync(config, stringify({ gateway: { ports: { 80: port } }, images: { "test/sleeper": { command: ["sleep", "1000"] } } }));
    try {
      const result = await lateen(["--mesh", "t", "up", "-f", join(home, "app.yaml"), "--config", config], { runtimeDir: home });
      expect(result.code).not.toBe(0);
      expect(result.stderr).toContain(String(port));
      expect(result.stderr).toContain("fix:");
      expect(result.stderr).not.toContain("    at ");
      await eventually(() => readdirSync(join(home, "lateen")).length === 0, goneMs, "the runtime directory gone");
    } finally {
      server.close();
    }
  });

  it("a crashed mesh's leftovers don't stop the next one", async () => {
    const running = await up();
    running.kill("SIGKILL");
    await running.exited;
    const next = await up();
    next.kill("SIGTERM");
    expect(await next.exited).toBe(0);
    await eventually(() => readdirSync(join(home, "lateen")).length === 0, goneMs, "the runtime directory gone");
  });
});

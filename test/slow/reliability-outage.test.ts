// The control plane or one proxy is away: traffic goes on, changes reach everybody else, and the command says who is missing.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { splitYaml } from "../harness/manifests.ts";
import { TestMesh } from "../harness/mesh.ts";
import { allSynced, controlPlaneOutage } from "../harness/outage.ts";
import { expectUnnoticedOutage, outageManifests } from "../harness/outage-case.ts";
import { findProcesses } from "../harness/processes.ts";

const outageMs = 3000;
let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: outageManifests });
});

afterAll(async () => {
  await mesh?.close();
});

describe("without the control plane", () => {
  it("no request is lost, nothing is rebuilt, and weights work again after", async () => {
    await expectUnnoticedOutage(mesh, outageMs);
  });

  it("what was stored before a kill is there after it", async () => {
    await mesh.apply(splitYaml("server", { v1: 100, v2: 0 }));
    const before = await mesh.client.list("VirtualService");
    for (let round = 0; round < 3; round++) await controlPlaneOutage(mesh, 0);
    expect((await mesh.client.list("VirtualService")).items).toEqual(before.items);
    const { byVersion } = await mesh.load("client", "http://server/", { count: 50 });
    expect(byVersion).toEqual({ v1: 50 });
  });

  it("the command line says what is wrong and what to do", async () => {
    process.kill(mesh.pid, "SIGSTOP");
    try {
      const [controlPlane] = findProcesses(mesh.pid, /"role":"control-plane"/).toReversed();
      process.kill(controlPlane?.pid ?? 0, "SIGKILL");
      const result = await lateenOn(mesh, ["status"]);
      expect(result.code).toBe(69);
      expect(result.stderr).toContain("control plane does not answer");
      expect(result.stderr).toContain("fix:");
    } finally {
      process.kill(mesh.pid, "SIGCONT");
    }
    await allSynced(mesh);
  });
});

describe("with one proxy that doesn't answer", () => {
  it("others get their changes, and apply names it", async () => {
    const [victim = ""] = await mesh.pods("server");
    const uid = (await mesh.client.get({ kind: "Pod", name: victim })).metadata.uid ?? "none";
    const envoy = findProcesses(mesh.pid, /envoy.* -c /).find(({ command }) => command.includes(uid) && command.startsWith("/"));
    const held = findProcesses(envoy?.pid ?? 0, /envoy\.json/).map(({ pid }) => pid);
    for (const pid of held) process.kill(pid, "SIGSTOP");
    try {
      const yaml = `${splitYaml("server", { v1: 50, v2: 50 })}---${splitYaml("other", { v1: 100 })}`;
      // Long enough for everybody else.
      const result = await lateenOn(mesh, ["apply", "-f", "-", "--timeout", "8s"], yaml);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(new RegExp(`not acknowledged by: ${victim}\\.default`));
      expect(result.stderr).toMatch(/[1-9]\d* of \d+ proxies acknowledged/);
      const lagging = async () => (await mesh.client.proxies()).proxies.filter(({ synced }) => !synced).map(({ pod }) => pod);
      await expect.poll(lagging, { timeout: 30_000 }).toEqual([victim]);
    } finally {
      for (const pid of held) process.kill(pid, "SIGCONT");
    }
    await allSynced(mesh);
  });
});

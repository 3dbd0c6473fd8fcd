// Pods come and go under load and no request is lost: rolling updates, scaling, deleted pods, killed applications, killed proxies.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../harness/eventually.ts";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { findProcesses } from "../harness/processes.ts";
import { failed, lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const load = { from: "client", url: "http://server/" };
const server = { kind: "Deployment", name: "server-v1" } as const;
const settleMs = 20_000;
let mesh: TestMesh;

beforeAll(async () => {
  const manifests = `${withoutRetries}${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1"], { replicas: 3 })}`;
  mesh = await TestMesh.start({ manifests });
});

afterAll(async () => {
  await mesh?.close();
});

/** Waits until the Deployment's newest state is complete and nothing older is left. */
async function rolledOut(replicas: number): Promise<void> {
  await eventually(
    async () => {
      const { metadata, status } = (await mesh.client.get(server)) as unknown as {
        metadata: { generation: number };
        status?: Record<string, number>;
      };
      const { items } = await mesh.client.list("Pod", { labelSelector: "app=server" });
      return (
        status?.["observedGeneration"] === metadata.generation &&
        status["availableReplicas"] === replicas &&
        status["updatedReplicas"] === replicas &&
        items.length === replicas
      );
    },
    settleMs,
    `${replicas} replicas rolled out`,
  );
}

async function roll(image: string, strategy: Readonly<Record<string, unknown>>): Promise<void> {
  const template = { spec: { containers: [{ ...(await firstContainer()), image }] } };
  await mesh.client.patch(server, { spec: { strategy, template } });
  await rolledOut(3);
}

async function firstContainer(): Promise<Readonly<Record<string, unknown>>> {
  const deployment = (await mesh.client.get(server)) as unknown as {
    spec: { template: { spec: { containers: [Record<string, unknown>] } } };
  };
  return deployment.spec.template.spec.containers[0];
}

const rolling = (maxSurge: number | string, maxUnavailable: number | string) => ({
  type: "RollingUpdate",
  rollingUpdate: { maxSurge, maxUnavailable },
});

describe("under 200 requests per second, without retries", () => {
  it.each([
    ["v2", rolling(1, 0)],
    ["v1", rolling(0, 1)],
    ["v2", rolling("50%", "34%")],
    ["v1", rolling("100%", "0%")],
    ["v2", rolling(3, 2)],
  ])("a rolling update to %s with %j loses nothing", async (version, strategy) => {
    const report = await underLoad(mesh, load, () => roll(`test/app:${version}`, strategy));
    expect(lossesOf(report)).toEqual(nothing);
    const after = await mesh.load("client", "http://server/", { count: 30 });
    expect(after.byVersion).toEqual({ [version]: 30 });
  });

  it("scaling 3 to 1 to 3 loses nothing", async () => {
    const report = await underLoad(mesh, load, async () => {
      for (const replicas of [1, 3, 1, 3]) {
        await mesh.client.patch(server, { spec: { replicas } });
        await rolledOut(replicas);
      }
    });
    expect(lossesOf(report)).toEqual(nothing);
  });

  it("a deleted pod is replaced and nothing is lost", async () => {
    const [victim = ""] = await mesh.pods("server");
    const report = await underLoad(mesh, load, async () => {
      await mesh.client.delete({ kind: "Pod", name: victim });
      await rolledOut(3);
    });
    expect(await mesh.pods("server")).not.toContain(victim);
    expect(lossesOf(report)).toEqual(nothing);
  });

  it("an application killed with kill -9 leaves the endpoints and comes back", async () => {
    const applications = findProcesses(mesh.pid, /^node test-app\.mjs$/);
    const names = await mesh.pods("server");
    const restartsBefore = await restarts(names);
    const victim = await applicationIn(
      names[0] ?? "",
      applications.map(({ pid }) => pid),
    );
    const report = await underLoad(mesh, load, async () => {
      process.kill(victim, "SIGKILL");
      await eventually(async () => (await restarts(names)) > restartsBefore, settleMs, "the restart counted");
      await rolledOut(3);
    });
    // Without retries only what it held, or was on its way to it, may fail.
    expect(failed(report)).toBeLessThanOrEqual(10);
    const after = await mesh.load("client", "http://server/", { count: 60 });
    expect(failed(after)).toBe(0);
  });

  it("an Envoy killed with kill -9 is back, and other pods' requests are not concerned", async () => {
    const names = await mesh.pods("server");
    const envoys = findProcesses(mesh.pid, /envoy.* -c .*envoy\.json/);
    const uid = (await mesh.client.get({ kind: "Pod", name: names[0] ?? "" })).metadata.uid ?? "none";
    const victim = envoys.filter(({ command }) => command.includes(uid)).at(-1);
    const report = await underLoad(mesh, load, async () => {
      process.kill(victim?.pid ?? 0, "SIGKILL");
      await eventually(async () => !(await isReady(names[0] ?? "")), settleMs, "the pod not ready");
      await rolledOut(3);
    });
    expect(failed(report)).toBeLessThanOrEqual(10);
    expect(findProcesses(mesh.pid, /envoy.* -c .*envoy\.json/).length).toBe(envoys.length);
  });

  it("Recreate ends the old pods before the new ones start", async () => {
    await mesh.client.patch(server, { spec: { strategy: { type: "Recreate", rollingUpdate: null } } });
    const versions = new Set<string>();
    const before = (await firstContainer())["image"];
    const next = before === "test/app:v1" ? "test/app:v2" : "test/app:v1";
    const rolled = roll(next, { type: "Recreate", rollingUpdate: null });
    let mixed = false;
    let done = false;
    void rolled.finally(() => {
      done = true;
    });
    while (!done) {
      const { items } = await mesh.client.list("Pod", { labelSelector: "app=server" });
      const images = new Set(items.map((item) => JSON.stringify(item["spec"]).match(/test\/app:v\d/)?.[0]));
      mixed ||= images.size > 1;
      for (const image of images) versions.add(String(image));
    }
    await rolled;
    expect(mixed).toBe(false);
    expect([...versions].toSorted()).toEqual(["test/app:v1", "test/app:v2"]);
  });
});

async function restarts(names: readonly string[]): Promise<number> {
  const { pods } = await mesh.client.status();
  return pods.filter(({ name }) => names.includes(name)).reduce((sum, pod) => sum + pod.restarts, 0);
}

async function isReady(name: string): Promise<boolean> {
  return (await mesh.client.status()).pods.some((pod) => pod.name === name && pod.ready);
}

/** The process of a pod's application: the one whose host name is the pod's. */
async function applicationIn(pod: string, pids: readonly number[]): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const found = pids.find((pid) => readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOSTNAME=${pod}\0`));
  if (found === undefined) throw new Error(`no application in ${pod}`);
  return found;
}

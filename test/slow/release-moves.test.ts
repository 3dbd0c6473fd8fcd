// A release of a whole mesh under load: promoted step by step with the control plane killed in the middle, taken back, given up. No request fails, and
// what the user wrote stays as it was, to the byte.

import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import type { PublicStatus } from "../../src/release/status.ts";
import { eventually } from "../harness/eventually.ts";
import { subsetsYaml, withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { descendantsOf } from "../harness/processes.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const name = "server";
const settleMs = 120_000;
const releaseOf = (duration: string): string => {
  const steps = [10, 50, 90].map((setWeight) => ({ setWeight, for: duration, advance: "clock" }));
  return stringify({
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name, namespace: "default" },
    spec: { service: name, steps, warm: "10m", drain: "100ms" },
  });
};
const route = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec:
  hosts: [server]
  http:
    - match: [{headers: {x-old: {exact: "yes"}}}]
      route: [{destination: {host: server, subset: v1}}]
    - route: [{destination: {host: server}, weight: 100}]
`;
let mesh: TestMesh;

beforeAll(async () => {
  const users = [route, subsetsYaml(name, ["v1", "v2"]), releaseOf("300ms")];
  mesh = await TestMesh.start({ manifests: [withoutRetries, appYaml("client", ["v1"]), appYaml(name, ["v1"]), ...users].join("---\n") });
});

afterAll(async () => {
  await mesh?.close();
});

/** Waits for the release's status, also over an outage of the control plane. */
async function until(what: string, holds: (status: PublicStatus) => boolean): Promise<void> {
  const holdsNow = async () => holds((await mesh.client.releases.get("default", name)).status);
  await eventually(() => holdsNow().catch(() => false), settleMs, what);
}

const ask = (type: "undo" | "retry" | "abort") => mesh.client.releases.ask("default", name, { type, actor: "ann", reason: "a test" });

/** All that the user wrote of how the service is reached. */
function written(): Promise<readonly unknown[]> {
  const refs = [
    { kind: "VirtualService", name },
    { kind: "DestinationRule", name },
    { kind: "Service", name },
  ] as const;
  return Promise.all(refs.map((ref) => mesh.client.get({ ...ref, namespace: "default" })));
}

it("loses no request and writes nothing into the user's objects", async () => {
  const before = await written();
  const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
    await mesh.apply(appYaml(name, ["v2"]));
    await until("the first step", ({ weightPercent }) => weightPercent > 0);
    const controlPlane = descendantsOf(mesh.pid).find(({ command }) => command.includes('"role":"control-plane"'));
    process.kill(controlPlane?.pid ?? 0, "SIGKILL");
    await until("promoted", ({ phase }) => phase === "Finalising");
    await ask("undo");
    await until("taken back", ({ phase }) => phase === "RolledBack");
    // Given up is what is still under way: this run stays at its first step.
    await mesh.apply(releaseOf("10m"));
    await ask("retry");
    await until("a second run", ({ weightPercent, run }) => weightPercent > 0 && run === `${name}-2`);
    await ask("abort");
    await until("given up", ({ phase }) => phase === "RolledBack");
  });
  expect(lossesOf(report)).toEqual(nothing);
  expect(report.byVersion["v2"]).toBeGreaterThan(0);
  expect(await written()).toEqual(before);
  const again = await mesh.load("client", "http://server/", { count: 30 });
  expect(again.byVersion).toEqual({ v1: 30 });
});

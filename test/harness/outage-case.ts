// One test for two lengths: the control plane is away, and nobody notices.

import { expect } from "vitest";
import { splitYaml, subsetsYaml, withoutRetries } from "./manifests.ts";
import { appYaml, type TestMesh } from "./mesh.ts";
import { controlPlaneOutage, envoyStats } from "./outage.ts";
import { lossesOf, nothing, underLoad } from "./under-load.ts";

/** What changes when Envoy takes in a listener, cluster or route configuration anew. */
const rebuilt =
  /^(listener_manager\.listener_(added|modified|removed|create_success)|cluster_manager\.cluster_(added|modified|removed)|http\..*\.rds\..*\.config_reload)$/;

const versions = ["v1", "v2"];

/** A client, and a server with a subset of each version. */
export const outageManifests = [
  withoutRetries,
  appYaml("client", ["v1"]),
  "---\n",
  appYaml("server", versions),
  "---",
  subsetsYaml("server", versions),
].join("");

/** Kills the control plane under load for `ms`, on a mesh of those manifests. */
export async function expectUnnoticedOutage(mesh: TestMesh, ms: number): Promise<void> {
  await mesh.apply(splitYaml("server", { v1: 90, v2: 10 }));
  // By runtime values only: the next control plane must know that the routes carry the weights before.
  await mesh.apply(splitYaml("server", { v1: 30, v2: 70 }));
  const pods = [...(await mesh.pods("client")), ...(await mesh.pods("server"))];
  const statsOf = () => Promise.all(pods.map((pod) => envoyStats(mesh, pod, rebuilt)));
  const before = await statsOf();
  expect(before[0]?.["listener_manager.listener_added"]).toBeGreaterThan(0);
  expect(Object.keys(before[0] ?? {}).filter((name) => name.endsWith("config_reload")).length).toBeGreaterThan(0);
  const report = await underLoad(mesh, { from: "client", url: "http://server/" }, () => controlPlaneOutage(mesh, ms));
  expect(lossesOf(report)).toEqual(nothing);
  expect(report.total).toBeGreaterThanOrEqual((200 * ms) / 1000);
  expect(await statsOf()).toEqual(before);
  await mesh.apply(splitYaml("server", { v1: 0, v2: 100 }));
  const after = await mesh.load("client", "http://server/", { count: 100 });
  expect(after.byVersion).toEqual({ v2: 100 });
}

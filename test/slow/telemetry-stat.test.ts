// Golden numbers of a whole mesh: a request is visible at once, connections are counted while they live, and a kill of the control plane loses and repeats
// nothing of the totals while the seconds without it are a gap; nor does one of a proxy whose counts had been reported, or an update of its listeners.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StatReply, StatRequest } from "../../src/http/telemetry-contract.ts";
import type { StatRow } from "../../src/telemetry/stat/stat.ts";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { allSynced, controlPlanePid, envoyStats } from "../harness/outage.ts";
import { findProcesses } from "../harness/processes.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

let mesh: TestMesh;
let clientPod = "";

beforeAll(async () => {
  const db = serviceYaml("db", { app: "server", ports: [{ name: "tcp", port: 83, targetPort: 8082 }] });
  mesh = await TestMesh.start({ manifests: yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1", "v2"]), db) });
  [clientPod = ""] = await mesh.pods("client");
});
afterAll(async () => {
  await mesh?.close();
});

/** The first row of an answer, once it is as wanted. */
async function row(request: StatRequest, isWanted: (row: StatRow, reply: StatReply) => boolean): Promise<StatRow> {
  let found: StatRow | undefined;
  let last: StatReply | undefined;
  await eventually(
    async () => {
      last = await mesh.client.stat(request);
      found = last.rows.find((one) => last !== undefined && isWanted(one, last));
      return found !== undefined;
    },
    60_000,
    JSON.stringify(request),
  ).catch((cause: unknown) => {
    throw new Error(`never as wanted, last: ${JSON.stringify(last?.rows)}`, { cause });
  });
  if (found === undefined) throw new Error("no row");
  return found;
}

type Labels = Readonly<Record<string, string>>;

/** Totals of a proxy for Prometheus; the client's unless another's are asked for. */
async function total(metric: string, only: Labels, pod = clientPod): Promise<number> {
  const { families } = await mesh.client.proxyMetrics("default", pod);
  const samples = families.flatMap((family) => family.samples).filter(({ name }) => name === metric);
  const matching = samples.filter(({ labels }) =>
    Object.entries(only).every(([label, value]) => Object.fromEntries(labels)[label] === value),
  );
  return matching.reduce((sum, { value }) => sum + value, 0);
}

async function expectTotal(metric: string, only: Labels, wanted: number): Promise<void> {
  let last = 0;
  await eventually(
    async () => {
      last = await total(metric, only).catch(() => 0);
      return last >= wanted;
    },
    60_000,
    `${metric} of ${wanted}`,
  ).catch(() => undefined);
  expect([metric, last]).toEqual([metric, wanted]);
}

const toServer = { reporter: "source", destination_service: "server.default.svc.cluster.local" };
const toDb = { reporter: "source", destination_service: "db.default.svc.cluster.local" };
const send = (count: number) => mesh.runIn(clientPod, { kind: "http", url: "http://server/", count, summary: true });
const inTcp = (command: object) => mesh.runIn(clientPod, { id: "db", ...command });

describe("lateen stat", () => {
  it("without any traffic says what to do", async () => {
    await eventually(async () => (await mesh.client.stat()).ageMs !== undefined, 60_000, "a report");
    const { code, stderr } = await lateenOn(mesh, ["stat", "services", "server"]);
    expect([code, stderr.trim()]).toEqual([
      0,
      expect.stringMatching(/no request has been counted since|no requests of services named server/),
    ]);
  });

  it("shows requests by service and version, from both sides", async () => {
    await send(40);
    await row({ name: "server", windowMs: 60_000 }, ({ requests }) => requests === 40);
    const seen = await row({ name: "server", windowMs: 60_000, reporter: "server" }, ({ requests }) => requests === 40);
    expect(seen).toMatchObject({ reporter: "server", failed: 0, successShare: 1, state: "live", latency: { p50: expect.any(Number) } });
    const { rows } = await mesh.client.stat({ by: "version", name: "server", windowMs: 60_000 });
    expect(rows.map(({ labels }) => labels["destination_version"])).toEqual(["v1", "v2"]);
    expect(rows.reduce((sum, { requests }) => sum + requests, 0)).toBe(40);
    const { stdout } = await lateenOn(mesh, ["stat", "callers", "client", "--to", "server", "--for", "1m", "-o", "wide"]);
    expect(stdout).toMatch(/default +client-v1 +\d+\.\d +100\.00%.* 40 +0 +clients/);
    const top = await lateenOn(mesh, ["top", "--once", "--for", "1m"]);
    expect(top.stdout).toMatch(/default\/client-v1 +server\.default\.svc\.cluster\.local +v[12] +200/);
  });
});

it("counts what a connection carries while it lives", async () => {
  await inTcp({ kind: "tcp-open", host: "db", port: 83 });
  await inTcp({ kind: "tcp-say", text: "12345" });
  await expectTotal("istio_tcp_received_bytes_total", toDb, 5);
  await expectTotal("istio_tcp_connections_opened_total", toDb, 1);
  expect(await total("istio_tcp_connections_closed_total", toDb)).toBe(0);
  await row({ name: "db" }, ({ openConnections }) => openConnections === 1);
});

/** Longer than the test. */
const windowMs = 600_000;

it("a kill of the control plane loses nothing of the totals, and is a gap in the samples", async () => {
  await send(10);
  await expectTotal("istio_requests_total", toServer, 50);
  const before = controlPlanePid(mesh);
  process.kill(mesh.pid, "SIGSTOP");
  try {
    process.kill(before, "SIGKILL");
    await send(7);
    await inTcp({ kind: "tcp-say", text: "123" });
  } finally {
    process.kill(mesh.pid, "SIGCONT");
  }
  await eventually(() => ![before, 0].includes(controlPlanePid(mesh)), 60_000, "a new control plane");
  await allSynced(mesh);
  await expectTotal("istio_requests_total", toServer, 57);
  await expectTotal("istio_tcp_received_bytes_total", toDb, 8);
  // What was counted while nobody watched lies at no known time: no sample has it, and the window says that it isn't whole.
  await send(4);
  await expectTotal("istio_requests_total", toServer, 61);
  const seen = await row({ name: "server", windowMs }, ({ requests }) => requests >= 4);
  expect(seen).toMatchObject({ requests: 4, state: "live" });
  expect(seen.seconds).toBeLessThan(windowMs / 1000);
  expect(await total("istio_tcp_connections_opened_total", toDb)).toBe(1);
});

it("a kill of a proxy takes nothing of what it had reported, and ends its connections once", async () => {
  const uid = (await mesh.client.get({ kind: "Pod", namespace: "default", name: clientPod })).metadata.uid;
  const envoys = () => findProcesses(mesh.pid, new RegExp(`pods/${uid}/envoy\\.json`)).map(({ pid }) => pid);
  const before = envoys();
  expect(before.length).toBeGreaterThan(0);
  for (const pid of before) process.kill(pid, "SIGKILL");
  await eventually(() => envoys().some((pid) => !before.includes(pid)), 60_000, "a new proxy");
  await allSynced(mesh);
  await send(5);
  await expectTotal("istio_requests_total", toServer, 66);
  await expectTotal("istio_tcp_connections_closed_total", toDb, 1);
  expect(await total("istio_tcp_received_bytes_total", toDb)).toBe(8);
});

it("an update of all listeners under load counts each request once, at both ends", async () => {
  const pods = [clientPod, ...(await mesh.pods("server"))];
  const updates = () =>
    Promise.all(pods.map(async (pod) => (await envoyStats(mesh, pod, /^listener_manager\.listener_modified$/))[modified] ?? 0));
  const byServers = async () =>
    (await Promise.all((await mesh.pods("server")).map((pod) => total("istio_requests_total", { reporter: "destination" }, pod)))).reduce(
      (sum, value) => sum + value,
      0,
    );
  const [updatedBefore, servedBefore] = [await updates(), await byServers()];
  const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
    await mesh.apply(tagged);
    await allSynced(mesh);
    await mesh.remove(tagged);
    await allSynced(mesh);
  });
  const updated = await updates();
  for (const [index, before] of updatedBefore.entries()) expect(updated[index]).toBeGreaterThanOrEqual(before + 2);
  expect(lossesOf(report)).toEqual(nothing);
  await expectTotal("istio_requests_total", toServer, 66 + report.total);
  await eventually(async () => (await byServers()) >= servedBefore + report.total, 60_000, "the servers' counts");
  expect(await byServers()).toBe(servedBefore + report.total);
});

const modified = "listener_manager.listener_modified";
/** What only a listener can say. */
const tagged = `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: tagged, namespace: istio-system}
spec: {tracing: [{customTags: {colour: {literal: {value: blue}}}}]}
`;

// From inside a pod of one namespace nothing tells another one's secrets, nor configuration that is not exported: not the file system, not the sockets of
// control plane and proxies, not the network, and not the pod's own proxy, even when it has been taken over.

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { eventually } from "../harness/eventually.ts";
import { adsHeaders, frame, grpcMessage, preface } from "../harness/http2-frames.ts";
import { type Listening, listeningOf, networkOf } from "../harness/listening.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { RawAdsClient } from "../harness/raw-ads-client.ts";

const harness = fileURLToPath(new URL("../harness", import.meta.url));
const waitMs = 60_000;
/** Of namespace b: a Secret's value, and names that only b's own objects have. */
const secretText = "a-password-that-only-b-knows";
const hiddenHost = "partner-of-b.example";
const hiddenTexts = [secretText, "ledger.b.svc", "partner-of-b", "route-inside-b"];

const secretsOfB = `
apiVersion: v1
kind: Secret
metadata: {name: password, namespace: b}
stringData: {password: ${secretText}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: partner, namespace: b}
spec:
  hosts: [partner-of-b.example]
  exportTo: ["."]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.7}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: store, namespace: b}
spec:
  hosts: [store.b.svc.cluster.local]
  exportTo: ["."]
  http: [{headers: {request: {set: {x-inside: route-inside-b}}}, route: [{destination: {host: store.b.svc.cluster.local}}]}]
---
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: b, annotations: {networking.istio.io/exportTo: "."}}
spec: {selector: {app: store}, ports: [{name: http, port: 80, targetPort: 8080}]}
`;

/** The node serves metrics on 15020 and 15090 of every pod; 15021, health, is everybody's. */
const serveHealth = "exec python3 -m http.server 15021";

const metricsPod = `
apiVersion: v1
kind: Pod
metadata: {name: metrics, namespace: b, labels: {app: metrics}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: app, image: test/metrics, readinessProbe: {httpGet: {port: 15021}, periodSeconds: 1}}]
`;

interface PodPlace {
  readonly name: string;
  readonly uid: string;
  readonly ip: string;
}

let mesh: TestMesh;
let podA: PodPlace;
let podB: PodPlace;

async function placeOf(app: string, namespace: string): Promise<PodPlace> {
  const [name = ""] = await mesh.pods(app, namespace);
  const pod = (await mesh.client.get({ kind: "Pod", namespace, name })) as unknown as {
    metadata: { uid: string };
    status: { podIP: string };
  };
  return { name, uid: pod.metadata.uid, ip: pod.status.podIP };
}

beforeAll(async () => {
  const namespaces = ["a", "b"].map((name) => `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`);
  const apps = [appYaml("client", ["v1"], { namespace: "a" }), appYaml("store", ["v1"], { namespace: "b" })];
  mesh = await TestMesh.start({
    manifests: [...namespaces, secretsOfB, ...apps].join("---\n"),
    lateenYaml: {
      images: {
        "test/spy": { command: ["sh", "-c", 'exec python3 spy.py "$0"'], workingDir: harness },
        "test/metrics": { command: ["sh", "-c", serveHealth] },
      },
    },
  });
  podA = await placeOf("client", "a");
  podB = await placeOf("store", "b");
});

afterAll(() => mesh?.close());

const xdsSocket = ({ uid }: PodPlace): string => join(mesh.runDir, "xds", `${uid}.sock`);
const adminSocket = ({ uid }: PodPlace): string => join(mesh.runDir, "pods", uid, "admin.sock");

/** Base64 of b's private key, from its own stream: what nobody else may ever see. */
async function keyOfB(): Promise<string> {
  using stream = new RawAdsClient({ target: `unix:${xdsSocket(podB)}` });
  stream.ask("sds", ["default"], `${podB.name}.b`);
  await eventually(() => stream.names.includes("default"), waitMs, "b's own secret");
  const key = /PRIVATE KEY-----\n([A-Za-z0-9+/]{60})/.exec(stream.bytes.toString("latin1"))?.[1];
  if (key === undefined) throw new Error("no private key in b's own secret");
  return key;
}

function spyYaml(name: string, namespace: string, told: Readonly<Record<string, unknown>>): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: secret, secret: {secretName: password, optional: true}}]
  containers:
    - name: app
      image: test/spy
      args: [${Buffer.from(JSON.stringify(told)).toString("base64")}]
      volumeMounts: [{name: secret, mountPath: /mnt/secret-of-this-namespace}]
`;
}

interface SpyReport {
  readonly user: string;
  readonly outcomes: Readonly<Record<string, string>>;
}

async function spyReports(name: string, namespace: string, told: Readonly<Record<string, unknown>>): Promise<readonly SpyReport[]> {
  await mesh.apply(spyYaml(name, namespace, told));
  const log = join(mesh.runDir, "logs", `${namespace}_${name}_app.log`);
  await eventually(() => existsSync(log) && readFileSync(log, "utf8").includes("REPORTED"), waitMs, "the spy's reports");
  return [...readFileSync(log, "utf8").matchAll(/REPORT (\{.*\})/g)].map(([, text = ""]) => JSON.parse(text) as SpyReport);
}

describe("a pod of namespace a", () => {
  it("finds nothing of b's, whatever it tries", async () => {
    const key = await keyOfB();
    const ads = Buffer.concat([preface, frame(4, 0, 0), frame(1, 4, 1, adsHeaders()), frame(0, 0, 1, grpcMessage(Buffer.alloc(0)))]);
    const others = [podA, podB];
    const told = {
      runDir: mesh.runDir,
      files: [mesh.runDir, `/proc/1/root${mesh.runDir}`, dirname(mesh.runDir), "/mnt/secret-of-this-namespace"],
      sockets: [join(mesh.runDir, "api.sock"), ...others.flatMap((pod) => [xdsSocket(pod), adminSocket(pod)])],
      hosts: ["127.0.0.1", podB.ip, "198.18.0.1"],
      ports: [15000, 15001, 15004, 15006, 15008, 15010, 15012, 15014, 15020, 15021, 15053, 15090, 9901, ...mesh.gatewayPorts.values()],
      texts: [...hiddenTexts, key],
      names: [hiddenHost, "istiod.istio-system.svc.cluster.local", "xds-grpc"],
      ads: ads.toString("hex"),
    };
    // It can find what is there to be found.
    const atHome = await spyReports("spy", "b", { ...told, sockets: [], hosts: [], names: [], files: ["/mnt/secret-of-this-namespace"] });
    expect(atHome.some(({ outcomes }) => JSON.stringify(outcomes).includes("FOUND"))).toBe(true);

    const reports = await spyReports("spy", "a", told);
    const all = reports.flatMap(({ user, outcomes }) => Object.entries(outcomes).map(([what, outcome]) => ({ user, what, outcome })));
    expect(new Set(all.map(({ user }) => user))).toEqual(new Set(["own", "nobody"]));
    expect(all.length).toBeGreaterThan(60);
    expect(all.filter(({ outcome }) => outcome.includes("FOUND"))).toEqual([]);
    expect(all.filter(({ what, outcome }) => what.startsWith("socket ") && outcome !== "refused")).toEqual([]);
    expect(all.filter(({ what, outcome }) => what.startsWith("port ") && / 200 /.test(outcome))).toEqual([]);
    expect(all.filter(({ what, outcome }) => what.startsWith("host ") && / 200 /.test(outcome))).toEqual([]);
    // A Service's name is everybody's, as in Kubernetes, whose DNS knows no exportTo; a ServiceEntry's is not.
    const said = all.filter(({ what }) => what === `name ${hiddenHost}`).map(({ outcome }) => outcome);
    expect(said.filter((outcome) => !outcome.includes(" 0 answers") && outcome !== "refused")).toEqual([]);
  });

  it("has a proxy that knows nothing of it either, and would be told nothing when it asked", async () => {
    const key = await keyOfB();
    const { body: dump } = await askAdmin(adminSocket(podA), "GET", "/config_dump?include_eds");
    expect(dump).toContain("store.b.svc.cluster.local");
    for (const text of [...hiddenTexts, key]) expect(dump.includes(text), text).toBe(false);
    using taken = new RawAdsClient({ target: `unix:${xdsSocket(podA)}` });
    const nodeId = `${podA.name}.a`;
    for (const type of ["cds", "lds"] as const) taken.ask(type, ["*", "outbound|80||ledger.b.svc.cluster.local"], nodeId);
    taken.ask("eds", ["outbound|80||ledger.b.svc.cluster.local"], nodeId);
    taken.ask("rds", ["80"], nodeId);
    taken.ask("sds", ["default", "ROOTCA", "kubernetes://password", "kubernetes://b/password", "kubernetes://password-cacert"], nodeId);
    await eventually(
      () => ["default", "ROOTCA", "outbound|80||store.b.svc.cluster.local"].every((name) => taken.names.includes(name)),
      waitMs,
      "its own resources",
    );
    // Its own key is there, so a key would be seen.
    const bytes = taken.bytes.toString("latin1");
    expect(bytes).toContain("PRIVATE KEY");
    for (const text of [secretText, "partner-of-b", "route-inside-b", key]) expect(bytes.includes(text), text).toBe(false);
    expect(taken.names.filter((name) => name.includes("ledger") && !name.startsWith("-"))).toEqual([]);
    expect(taken.names.filter((name) => name.startsWith("kubernetes://"))).toEqual([]);
  });

  it("reads no metrics of others: they are for the node, and for pods that were told to scrape", async () => {
    await mesh.apply(metricsPod);
    const isReady = async () => {
      const pod = (await mesh.client.get({ kind: "Pod", namespace: "b", name: "metrics" })) as unknown as { status?: { podIP?: string } };
      return JSON.stringify(pod.status?.podIP === undefined ? {} : pod).includes('"type":"Ready","status":"True"');
    };
    await eventually(isReady, waitMs, "the pod with metrics");
    const { ip } = await placeOf("metrics", "b");
    const answerAt = async (address: string, place: string) => {
      const command = { kind: "http", url: `http://${address}:${place}`, timeoutMs: 8000 };
      const [result] = (await mesh.run("client", command, "a")) as { status: number; body: string }[];
      return { status: result?.status ?? 0, body: result?.body ?? "" };
    };
    expect((await answerAt(ip, "15021/")).status).toBe(200);
    for (const port of [15020, 15090]) {
      const { status, body } = await answerAt(ip, `${port}/stats/prometheus`);
      expect([port, status, body.includes("envoy_")]).toEqual([port, 403, false]);
      // Its own are its own.
      expect((await answerAt(podA.ip, `${port}/stats/prometheus`)).status).toBe(200);
    }
  });

  it("can't be another node", async () => {
    using taken = new RawAdsClient({ target: `unix:${xdsSocket(podA)}` });
    taken.ask("sds", ["default"], `${podB.name}.b`);
    expect(await taken.ended()).toBe("PERMISSION_DENIED");
    expect(taken.bytes.length).toBe(0);
  });
});

describe("the mesh", () => {
  it("keeps its sockets and folders to its owner", () => {
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    for (const folder of [mesh.runDir, join(mesh.runDir, "xds"), join(mesh.runDir, "pods"), join(mesh.runDir, "ca")]) {
      expect([folder, mode(folder)]).toEqual([folder, "700"]);
    }
    for (const socket of [join(mesh.runDir, "api.sock"), join(mesh.runDir, "node.sock"), xdsSocket(podA), adminSocket(podA)]) {
      expect([socket, mode(socket)]).toEqual([socket, "600"]);
    }
  });

  it("listens on loopback and in its own network only, there on few ports", async () => {
    const { metricsPort = 0 } = await mesh.client.status();
    const all = listeningOf(mesh.pid);
    const host = networkOf("self");
    const onHost = all.filter(({ namespace }) => namespace === host);
    expect(onHost.filter(({ address }) => !address.startsWith("127.0.0.1:") && !address.startsWith("[::1]:"))).toEqual([]);
    expect(portsOf(onHost)).toEqual([...mesh.gatewayPorts.values(), metricsPort].toSorted((a, b) => a - b));
    // Pods: Envoy's two listeners, metrics, DNS on loopback, and what applications and gateways open themselves. No admin.
    const open = all.filter(({ namespace, command }) => namespace !== host && !/test-app|http.server/.test(command));
    const elsewhere = open.filter(({ address }) => !address.startsWith("127.0.0.1:") && !address.startsWith("[::1]:"));
    const known = [80, 8080, 9000, 15001, 15006, 15020, 15090];
    expect(portsOf(elsewhere).filter((port) => !known.includes(port) && !isEgress(elsewhere, port))).toEqual([]);
    for (const port of [15000, 9901]) expect(portsOf(open)).not.toContain(port);
  });
});

function portsOf(listening: readonly Listening[]): readonly number[] {
  return [...new Set(listening.map(({ address }) => Number(address.slice(address.lastIndexOf(":") + 1))))].toSorted((a, b) => a - b);
}

/** The node's own listener for connections to the outside, on a port that the kernel chose, at the fabric's address. */
function isEgress(listening: readonly Listening[], port: number): boolean {
  return listening.filter(({ address }) => address.endsWith(`:${port}`)).every(({ address }) => address.startsWith("198.18.0.1:"));
}

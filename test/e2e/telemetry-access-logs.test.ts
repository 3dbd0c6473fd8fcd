// Access logs of a whole mesh: on and off for the mesh, a namespace, a workload and one side of it, without touching a listener; JSON; the mark of copies.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { meshConfigYaml, routesYaml, subsetsYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: istio-system}\n",
    appYaml("far", ["v1"], { namespace: "other" }),
    subsetsYaml("server"),
    routesYaml("server", [
      {
        match: [{ uri: { prefix: "/copied" } }],
        route: [{ destination: { host: "server", subset: "v1" } }],
        mirror: { host: "server", subset: "v2" },
      },
      { route: [{ destination: { host: "server", subset: "v1" } }] },
    ]),
  );
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

const telemetryYaml = (place: string, spec: object): string => {
  const [namespace = "", name = ""] = place.split("/");
  return stringify({ apiVersion: "telemetry.istio.io/v1", kind: "Telemetry", metadata: { name, namespace }, spec });
};

const logging = (...accessLogging: readonly object[]) => ({ accessLogging });

interface Step {
  readonly what: string;
  readonly telemetries?: Readonly<Record<string, object>>;
  readonly config?: object;
  /** Whose logs have the requests of this step. */
  readonly logged: readonly string[];
}

const steps: readonly Step[] = [
  { what: "first", logged: ["client", "server", "far"] },
  { what: "mesh-off", telemetries: { "istio-system/all": logging({ disabled: true }) }, logged: [] },
  {
    what: "namespace-on",
    telemetries: { "istio-system/all": logging({ disabled: true }), "default/ns": logging({ disabled: false }) },
    logged: ["client", "server"],
  },
  {
    what: "workload-off",
    telemetries: {
      "default/ns": logging({ providers: [{ name: "envoy" }] }),
      "default/one": { selector: { matchLabels: { app: "server" } }, ...logging({ disabled: true }) },
    },
    logged: ["client", "far"],
  },
  { what: "servers-off", telemetries: { "istio-system/all": logging({ match: { mode: "SERVER" }, disabled: true }) }, logged: ["client"] },
  { what: "no-file", config: { accessLogFile: "" }, logged: [] },
  { what: "last", logged: ["client", "server", "far"] },
];

async function podOf(app: string, namespace: string, version = "v1"): Promise<string> {
  return (await mesh.pods(app, namespace)).find((name) => name.includes(`-${version}-`)) ?? "";
}

/** How often listeners were replaced or changed, by proxy. */
async function listenerChanges(): Promise<readonly string[]> {
  const places = [["client", "default"] as const, ["server", "default"] as const, ["far", "other"] as const];
  return Promise.all(
    places.map(async ([app, namespace]) => {
      const path = "/stats?filter=listener_manager.listener_(modified|in_place_updated|added|removed)$";
      const { metadata } = await mesh.client.get({ kind: "Pod", namespace, name: await podOf(app, namespace) });
      const { body } = await askAdmin(join(mesh.runDir, "pods", metadata.uid ?? "", "admin.sock"), "GET", path);
      return `${app}\n${body}`;
    }),
  );
}

async function logOf(app: string, namespace = "default", version = "v1"): Promise<readonly string[]> {
  return mesh
    .accessLogOf(await podOf(app, namespace, version), namespace)
    .split("\n")
    .map((line) => line.replace(/^\S+ (?:stdout|stderr) [FP] /, ""));
}

async function call(path: string): Promise<void> {
  for (const url of [`http://server${path}`, `http://far.other${path}`]) {
    expect(await mesh.http("client", url)).toMatchObject({ status: 200 });
  }
}

/** Names of the steps whose requests a log has. */
async function stepsIn(app: string, namespace?: string): Promise<readonly string[]> {
  const text = (await logOf(app, namespace)).join("\n");
  return steps.map(({ what }) => what).filter((what) => text.includes(`/${what}`));
}

describe("access logs", () => {
  it("go on and off by level and side, and no listener changes", async () => {
    const before = await listenerChanges();
    for (const { what, telemetries = {}, config = {} } of steps) {
      const yaml = yamlOf(meshConfigYaml(config), ...Object.entries(telemetries).map(([place, spec]) => telemetryYaml(place, spec)));
      await mesh.apply(yaml);
      await call(`/${what}`);
      await mesh.remove(yaml);
    }
    // Lines come in order: with the last one there, the others are there or never come.
    await eventually(async () => {
      const lasts = await Promise.all([stepsIn("client"), stepsIn("server"), stepsIn("far", "other")]);
      return lasts.every((names) => names.includes("last"));
    }, 60_000);
    const expected = (app: string) => steps.filter(({ logged }) => logged.includes(app)).map(({ what }) => what);
    expect(await stepsIn("client")).toEqual(expected("client"));
    expect(await stepsIn("server")).toEqual(expected("server"));
    expect(await stepsIn("far", "other")).toEqual(expected("far"));
    expect(await listenerChanges()).toEqual(before);
  });

  it("mark copies that a mirror made", async () => {
    expect((await mesh.http("client", "http://server/copied")).status).toBe(200);
    const line = async (version: string) => (await logOf("server", "default", version)).find((text) => text.includes("/copied"));
    await eventually(async () => (await line("v1")) !== undefined && (await line("v2")) !== undefined, 60_000);
    expect(await line("v1")).toMatch(/ - -$/);
    expect(await line("v2")).toMatch(/ - 1$/);
  });

  it("are JSON with Istio's keys when the mesh says so", async () => {
    await mesh.apply(
      yamlOf(
        meshConfigYaml({ accessLogEncoding: "JSON" }),
        telemetryYaml("default/one", { selector: { matchLabels: { app: "client" } }, ...logging({ disabled: true }) }),
      ),
    );
    // A format stands in the listener: connections that are open finish in the old one.
    const lineOf = async (app: string, namespace: string) => (await logOf(app, namespace)).find((text) => /^\{.*\/as-json/.test(text));
    await eventually(async () => {
      await call("/as-json");
      return (await lineOf("server", "default")) !== undefined && (await lineOf("far", "other")) !== undefined;
    }, 60_000);
    expect(JSON.parse((await lineOf("server", "default")) ?? "")).toMatchObject({
      method: "GET",
      path: "/as-json",
      authority: "server",
      protocol: "HTTP/1.1",
      response_code: 200,
      response_flags: "-",
      upstream_cluster: "inbound|8080||",
      route_name: "default",
      connection_termination_details: null,
      mirrored: null,
    });
    expect((await logOf("client")).filter((text) => text.includes("/as-json"))).toEqual([]);
  });
});

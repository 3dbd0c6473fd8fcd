// The model over whole worlds: what is visible, which rules hold, what stays the same object.

import { describe, expect, test } from "vitest";
import { outboundClusterName } from "../../src/envoy/names.ts";
import { effectivePolicy } from "../../src/model/destinations.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import type { MtlsPhases } from "../../src/model/security.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { resourcesOf, snapshotOf, withEndpoints, worldOf } from "../harness/world.ts";

const pod = (name: string, namespace: string, ip: string, labels = `app: ${name}`): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: {${labels}}}
spec: {containers: [{name: app}]}
status: {podIP: ${ip}}
---`;
const service = (name: string, namespace: string, more = ""): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}${more}}
spec: {clusterIP: 198.19.0.1, selector: {app: ${name}}, ports: [{name: http, port: 80}]}
---`;
const resource = (kind: string, name: string, options: { readonly ns?: string; readonly at?: string; readonly spec: string }): string => `
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${options.ns ?? "a"}, creationTimestamp: "${options.at ?? "2026-01-01T00:00:00Z"}"}
spec: ${options.spec}
---`;

function hostsOf(yaml: string, proxy: string, table = "80"): readonly string[] {
  const scope = worldOf(yaml).mesh.scopes.get(proxy);
  return scope?.tables.find(({ name }) => name === table)?.hosts.map(({ name }) => name) ?? [];
}

function rulesOf(yaml: string, proxy: string, host: string): readonly string[] {
  const scope = worldOf(yaml).mesh.scopes.get(proxy);
  const found = scope?.tables.flatMap(({ hosts }) => hosts).find(({ name }) => name === host);
  return found?.rules.map(({ virtualService }) => virtualService.metadata.name) ?? [];
}

const client = pod("client", "a", "198.18.0.1");
const web = "web.b.svc.cluster.local";

describe("visibility", () => {
  test("a Service exported to its own namespace only is seen there only", () => {
    const yaml = client + pod("other", "b", "198.18.0.2") + service("web", "b", ', annotations: {networking.istio.io/exportTo: "."}');
    expect(hostsOf(yaml, "client.a")).toEqual([]);
    expect(hostsOf(yaml, "other.b")).toEqual([`${web}:80`]);
  });

  test("the own namespace's ServiceEntry wins over another's, and the older one over the younger", () => {
    const entry = (name: string, ns: string, port: number, at: string) =>
      resource("ServiceEntry", name, { ns, at, spec: `{hosts: [x.example], ports: [{number: ${port}, name: http, protocol: HTTP}]}` });
    const yaml = client + entry("old", "b", 80, "2026-01-01T00:00:00Z") + entry("young", "c", 81, "2026-02-01T00:00:00Z");
    expect(
      worldOf(yaml)
        .mesh.scopes.get("client.a")
        ?.tables.map(({ name }) => name),
    ).toEqual(["80"]);
    expect(
      worldOf(yaml + entry("own", "a", 82, "2026-03-01T00:00:00Z"))
        .mesh.scopes.get("client.a")
        ?.tables.map(({ name }) => name),
    ).toEqual(["82"]);
  });
});

test("no domain stands in two virtual hosts of a table: a Service's short names are its own", () => {
  const entry = resource("ServiceEntry", "thief", {
    spec: "{hosts: [web.b, WEB.b.svc, Other.Example, other.example], ports: [{number: 80, name: http, protocol: HTTP}]}",
  });
  const claimed = resource("VirtualService", "thief", { spec: "{hosts: [web.b.svc], http: [{route: [{destination: {host: web.b}}]}]}" });
  expect(hostsOf(client + service("web", "b") + entry + claimed, "client.a")).toEqual(["other.example:80", `${web}:80`]);
});

describe("VirtualServices", () => {
  const route = "http: [{route: [{destination: {host: web.b.svc.cluster.local}}]}]";
  const vs = (name: string, hosts: string, at: string, more = "") =>
    resource("VirtualService", name, { at, spec: `{hosts: [${hosts}], ${more}${route}}` });
  const world = client + service("web", "b");

  test("the oldest one with a host decides at sidecars", () => {
    const yaml = world + vs("young", web, "2026-02-01T00:00:00Z") + vs("old", web, "2026-01-01T00:00:00Z");
    expect(rulesOf(yaml, "client.a", `${web}:80`)).toEqual(["old"]);
  });

  test("the most specific host wins over an older wildcard", () => {
    const yaml = world + vs("wide", '"*.b.svc.cluster.local"', "2026-01-01T00:00:00Z") + vs("narrow", web, "2026-02-01T00:00:00Z");
    expect(rulesOf(yaml, "client.a", `${web}:80`)).toEqual(["narrow"]);
    expect(rulesOf(world + vs("wide", '"*.b.svc.cluster.local"', "2026-01-01T00:00:00Z"), "client.a", `${web}:80`)).toEqual(["wide"]);
  });

  test("exportTo hides one", () => {
    expect(rulesOf(world + vs("hidden", web, "2026-01-01T00:00:00Z", "exportTo: [c], "), "client.a", `${web}:80`)).toEqual([]);
  });

  test("a host that no service has gets a virtual host on port 80", () => {
    expect(hostsOf(world + vs("free", "free.example", "2026-01-01T00:00:00Z"), "client.a")).toEqual([`${web}:80`, "free.example:80"]);
  });

  test("gateways merge all that name a host, oldest first", () => {
    const gateway = `
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: g, labels: {istio: ingressgateway}}
spec: {containers: [{name: istio-proxy}]}
status: {podIP: 198.18.0.9}
---${resource("Gateway", "gate", { spec: '{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["a/*.example", "b/only-b.test"]}]}' })}`;
    const bound = "gateways: [gate], ";
    const yaml =
      world + gateway + vs("young", "x.example", "2026-02-01T00:00:00Z", bound) + vs("old", "x.example", "2026-01-01T00:00:00Z", bound);
    expect(rulesOf(yaml, "gw.g", "x.example:80")).toEqual(["old", "young"]);
    expect(hostsOf(world + gateway + vs("foreign", "only-b.test", "2026-01-01T00:00:00Z", bound), "gw.g", "http.80")).toEqual([]);
  });
});

describe("DestinationRules", () => {
  const rule = (name: string, ns: string, spec: string) => resource("DestinationRule", name, { ns, spec: `{host: ${web}, ${spec}}` });
  const subsetsOf = (yaml: string, proxy = "client.a") => {
    const { mesh } = worldOf(client + service("web", "b") + yaml);
    const scope = mesh.scopes.get(proxy);
    const found = mesh.services.get(`b/${web}`);
    if (scope === undefined || found === undefined) throw new Error("no such client or service");
    return scope.directory.policies(scope.client, found);
  };

  test("the client's namespace comes first, then the service's, then the root", () => {
    const root = rule("root", "istio-system", "subsets: [{name: root}]");
    const own = rule("own", "b", "subsets: [{name: own}]");
    const clients = rule("client", "a", "subsets: [{name: client}]");
    expect(subsetsOf(root)?.subsets.map(({ name }) => name)).toEqual(["root"]);
    expect(subsetsOf(root + own)?.subsets.map(({ name }) => name)).toEqual(["own"]);
    expect(subsetsOf(root + own + clients)?.subsets.map(({ name }) => name)).toEqual(["client"]);
    expect(subsetsOf(rule("foreign", "c", "subsets: [{name: foreign}]"))).toBeUndefined();
  });

  test("several of one namespace add up", () => {
    const policy = subsetsOf(
      rule("one", "b", "subsets: [{name: v1}]") +
        rule("two", "b", "subsets: [{name: v1}, {name: v2}], trafficPolicy: {loadBalancer: {simple: RANDOM}}"),
    );
    expect(policy?.subsets.map(({ name }) => name)).toEqual(["v1", "v2"]);
    expect(effectivePolicy(policy, 80).loadBalancer?.simple).toBe("RANDOM");
  });

  test("a workloadSelector picks clients", () => {
    const selected = rule("selected", "a", "workloadSelector: {matchLabels: {app: client}}, subsets: [{name: v1}]");
    expect(subsetsOf(selected)?.subsets).toHaveLength(1);
    expect(subsetsOf(selected + pod("other", "a", "198.18.0.5"), "other.a")).toBeUndefined();
  });

  test("a block of a subset replaces the block above it, and port-level settings inherit nothing", () => {
    const policy = subsetsOf(
      rule(
        "one",
        "b",
        `trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 1}}, portLevelSettings: [{port: {number: 81}, outlierDetection: {}}]},
    subsets: [{name: v1, trafficPolicy: {connectionPool: {http: {maxRetries: 2}}}}]`,
      ),
    );
    const [subset] = policy?.subsets ?? [];
    expect(effectivePolicy(policy, 80, subset)).toMatchObject({
      loadBalancer: { simple: "RANDOM" },
      connectionPool: { http: { maxRetries: 2 } },
    });
    expect(effectivePolicy(policy, 80, subset).connectionPool?.tcp).toBeUndefined();
    expect(effectivePolicy(policy, 81).loadBalancer).toBeUndefined();
    expect(effectivePolicy(policy, 81).outlierDetection).toBeDefined();
  });
});

describe("incrementality", () => {
  const split = (weight: number) =>
    resource("VirtualService", "web", {
      ns: "b",
      spec: `{hosts: [web], http: [{route: [{destination: {host: web, subset: v1}, weight: ${100 - weight}}, {destination: {host: web, subset: v2}, weight: ${weight}}]}]}`,
    });
  const base =
    client +
    pod("w1", "b", "198.18.0.2", "app: web, version: v1") +
    pod("w2", "b", "198.18.0.3", "app: web, version: v2") +
    service("web", "b") +
    service("other", "b") +
    resource("DestinationRule", "web", {
      ns: "b",
      spec: "{host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}",
    });
  const start = () => {
    const model = createModel();
    const translate = createTranslator();
    const resolved = new Map();
    let settled = new Map();
    let mtls: MtlsPhases = new Map();
    let kept = withEndpoints(resourcesOf(base));
    return (changed: string, keep = kept) => {
      kept = keep;
      const mesh = model.meshOf(snapshotOf([...kept, ...resourcesOf(changed)]), { settings: defaultMeshSettings, resolved, settled, mtls });
      settled = new Map(mesh.settled);
      mtls = mesh.mtls.phases;
      const proxy = mesh.proxies.get("client.a");
      if (proxy === undefined) throw new Error("no proxy");
      return { mesh, config: translate(mesh, proxy) };
    };
  };

  test("a change of weights changes the runtime layer and nothing else", () => {
    const push = start();
    const before = push(split(10)).config;
    const after = push(split(20)).config;
    for (const part of ["clusters", "endpoints", "listeners", "routes"] as const) expect(after[part]).toBe(before[part]);
    expect(before.runtime.size).toBe(0);
    expect([...after.runtime.values()]).toEqual([8000, 2000]);
    // Back at the settled weights the keys stay: they leave only with a route.
    expect([...push(split(10)).config.runtime.values()]).toEqual([9000, 1000]);
  });

  test("nothing changed, the same configuration", () => {
    const push = start();
    expect(push(split(10)).config).toBe(push(split(10)).config);
  });

  test("members without endpoints get no share, and get it back", () => {
    const push = start();
    const all = withEndpoints(resourcesOf(base));
    const without = withEndpoints(resourcesOf(base.replace("198.18.0.3}", '198.18.0.3, conditions: [{type: Ready, status: "False"}]}')));
    push(split(10), all);
    expect([...push(split(10), without).config.runtime.values()]).toEqual([10_000, 0]);
    expect([...push(split(10), all).config.runtime.values()]).toEqual([9000, 1000]);
  });

  test("clients of one namespace share a class; sourceLabels tell them apart", () => {
    const second = pod("second", "a", "198.18.0.8");
    expect(new Set(worldOf(base + second).mesh.scopes.values()).size).toBe(2);
    const labelled = resource("VirtualService", "web", {
      ns: "b",
      spec: "{hosts: [web], http: [{match: [{sourceLabels: {app: client}}], route: [{destination: {host: web}}]}]}",
    });
    expect(new Set(worldOf(base + second + labelled).mesh.scopes.values()).size).toBeGreaterThan(2);
  });
});

test("ServiceEntries without addresses get automatic ones that stay when others come", () => {
  const entry = (name: string, at: string) =>
    resource("ServiceEntry", name, {
      at,
      spec: `{hosts: [${name}.example], resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}`,
    });
  const vipOf = (yaml: string) => worldOf(yaml).mesh.services.get("a/one.example")?.vips;
  const alone = vipOf(entry("one", "2026-01-01T00:00:00Z"));
  expect(alone?.[0]).toMatch(/^240\.240\./);
  const many = Array.from({ length: 40 }, (_, index) => entry(`other${index}`, "2026-02-01T00:00:00Z")).join("");
  expect(vipOf(entry("one", "2026-01-01T00:00:00Z") + many)).toEqual(alone);
  expect(worldOf(many).mesh.names).toHaveLength(40);
});

test("a destination without port means the service's only port", () => {
  const yaml =
    client +
    service("web", "b").replace("port: 80}", "port: 8080}") +
    service("front", "a") +
    resource("VirtualService", "front", { spec: "{hosts: [front], http: [{route: [{destination: {host: web.b.svc.cluster.local}}]}]}" });
  const scope = worldOf(yaml).mesh.scopes.get("client.a");
  expect(scope?.targets.map(({ cluster }) => cluster)).toEqual([outboundClusterName(8080, "", web)]);
});

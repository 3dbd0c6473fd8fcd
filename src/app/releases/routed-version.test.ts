import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseManifests } from "../../api/parse.ts";
import { snapshotOf } from "../../api/snapshot-of.ts";
import { routedVersion } from "./routed-version.ts";

const object = (kind: string, spec: object, namespace = "shop"): string =>
  stringify({
    apiVersion: kind === "Release" ? "lateen.io/v1alpha1" : "networking.istio.io/v1",
    kind,
    metadata: { name: "web", namespace },
    spec,
  });
const rule = object("DestinationRule", { host: "web", subsets: ["v1", "v2"].map((version) => ({ name: version, labels: { version } })) });
const to = (subset: string | undefined, weight?: number, host = "web") => ({
  destination: { host, ...(subset === undefined ? {} : { subset }) },
  ...(weight === undefined ? {} : { weight }),
});
const routes = (spec: object, namespace?: string): string => object("VirtualService", { hosts: ["web"], ...spec }, namespace);

function routed(...texts: readonly string[]): string | undefined {
  const { resources, diagnostics } = parseManifests([object("Release", { service: "web" }), ...texts].join("---\n"), { file: "test.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const snapshot = snapshotOf(resources.map(({ value }) => value));
  const release = snapshot.get("Release", "shop", "web");
  return release === undefined ? "no release" : routedVersion(release, snapshot);
}

test("the version that routes for everybody give most to", () => {
  expect(routed(rule, routes({ http: [{ route: [to("v2")] }] }))).toBe("v2");
  expect(routed(rule, routes({ http: [{ route: [to("v1", 90), to("v2", 10)] }] }))).toBe("v1");
  const testers = { match: [{ headers: { beta: { exact: "on-list" } } }], route: [to("v1")] };
  expect(routed(rule, routes({ http: [testers, { route: [to("v2")] }] }))).toBe("v2");
  expect(routed(rule, routes({ tcp: [{ route: [to("v2")] }] }))).toBe("v2");
  expect(routed(rule, routes({ http: [{ route: [to("v2", 100, "web.shop.svc.cluster.local")] }] }, "other"))).toBe("v2");
});

test("none where routes name none, half of each, or another service's", () => {
  expect(routed()).toBeUndefined();
  expect(routed(rule, routes({ http: [{ route: [to(undefined)] }] }))).toBeUndefined();
  expect(routed(routes({ http: [{ route: [to("v2")] }] }))).toBeUndefined();
  expect(routed(rule, routes({ http: [{ route: [to("v1", 50), to("v2", 50)] }] }))).toBeUndefined();
  expect(routed(rule, routes({ http: [{ route: [to("v2", 100, "web.other.svc.cluster.local")] }] }))).toBeUndefined();
});

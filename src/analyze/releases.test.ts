// What is said of Releases and FeatureFlags that don't fit the rest.

import { expect, test } from "vitest";
import { stringify } from "yaml";
import { parseManifests } from "../api/parse.ts";
import { snapshotOf } from "../api/snapshot-of.ts";
import { analyze } from "./analyze.ts";

const object = (kind: string, name: string, spec: object, more: object = {}): string => {
  const apiVersions: Readonly<Record<string, string>> = {
    Service: "v1",
    Pod: "v1",
    VirtualService: "networking.istio.io/v1",
    DestinationRule: "networking.istio.io/v1",
  };
  return stringify({ apiVersion: apiVersions[kind] ?? "lateen.io/v1alpha1", kind, metadata: { name, namespace: "shop" }, spec, ...more });
};
const pod = (version: string, labels: object = {}): string =>
  stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `catalog-${version}`, namespace: "shop", uid: version, labels: { app: "catalog", version, ...labels } },
    spec: { containers: [{ name: "app", image: "a" }] },
  });
const service = (spec: object = {}): string =>
  object("Service", "catalog", { selector: { app: "catalog" }, ports: [{ port: 80, name: "http" }], ...spec });
const flag = (name: string, spec: object = {}): string =>
  object("FeatureFlag", name, {
    service: "catalog",
    key: name,
    variants: { fresh: { value: "new", version: "v2" }, stale: { value: "old" } },
    default: "stale",
    ...spec,
  });
const release = (name: string, spec: object = {}, more: object = {}): string =>
  object("Release", name, { service: "catalog", ...spec }, more);

function found(...texts: readonly string[]): readonly string[] {
  const { resources, diagnostics } = parseManifests(texts.join("---\n"), { file: "test.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return analyze(snapshotOf(resources.map(({ value }) => value)))
    .filter(({ code }) => code.startsWith("LTN112"))
    .map(({ code, resource, path }) => `${code} ${resource} ${path}`);
}

const world = [service(), pod("v1"), pod("v2")];

test("what fits is fine", () => {
  const steps = [{ flag: { name: "cart", variant: "fresh" } }, { pause: {} }];
  expect(found(...world, flag("cart"), release("catalog", { steps }))).toEqual([]);
});

test("services and versions that aren't there", () => {
  expect(found(...world, flag("cart", { service: "catalogue" }), release("other", { service: "other" }))).toEqual([
    "LTN1121 FeatureFlag shop/cart spec.service",
    "LTN1121 Release shop/other spec.service",
  ]);
  const variants = [
    { name: "a", percent: 10 },
    { name: "b", version: "v3", percent: 10 },
  ];
  expect(
    found(service(), pod("v1"), flag("cart"), release("catalog", { steps: [{ compare: { variants } }], sticky: { cookie: "c" } })),
  ).toEqual([
    "LTN1122 FeatureFlag shop/cart spec.variants.fresh.version",
    "LTN1122 Release shop/catalog spec.steps[0].compare.variants[1].version",
  ]);
});

test("steps whose flag or variant is missing, of another service, or leads nowhere", () => {
  const step = (name: string, variant: string) => ({ flag: { name, variant } });
  const steps = [step("cart", "fresh"), step("basket", "fresh"), step("cart", "maybe"), step("cart", "stale"), step("far", "fresh")];
  const far = [
    object("Service", "far", { selector: { app: "catalog" }, ports: [{ port: 81, name: "http" }] }),
    flag("far", { service: "far" }),
  ];
  expect(found(...world, ...far, flag("cart"), release("catalog", { steps }))).toEqual(
    [1, 2, 3, 4].map((index) => `LTN1123 Release shop/catalog spec.steps[${index}].flag`),
  );
  expect(found(...world, release("catalog", { strategy: "featureToggle", flag: { name: "x", variant: "fresh" } }))).toEqual([
    "LTN1123 Release shop/catalog spec.flag",
  ]);
});

test("a second release of a service, and a second flag with a key", () => {
  expect(found(...world, release("b"), release("a"), flag("cart"), flag("wagon", { key: "cart" }))).toEqual([
    "LTN1128 FeatureFlag shop/wagon spec.key",
    "LTN1124 Release shop/b spec.service",
  ]);
});

test("of two releases of a service the oldest decides", () => {
  const old = stringify({
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name: "z", namespace: "shop", creationTimestamp: "2030-01-01T00:00:00Z" },
    spec: { service: "catalog" },
  });
  expect(found(...world, old, old.replace("name: z", "name: a").replace("2030", "2031"))).toEqual(["LTN1124 Release shop/a spec.service"]);
});

test("a route to a version that the release has no place for", () => {
  const subsets = ["v1", "v2", "v3"].map((version) => ({ name: version, labels: { version } }));
  const route = subsets.map(({ name }, index) => ({ destination: { host: "catalog", subset: name }, weight: index === 0 ? 80 : 10 }));
  const routes = [
    object("DestinationRule", "catalog", { host: "catalog", subsets }),
    object("VirtualService", "catalog", { hosts: ["catalog"], http: [{ route }] }),
  ];
  const status = { stable: "v1", candidate: "v2" };
  expect(found(...world, ...routes, release("catalog", {}, { status }))).toEqual([
    "LTN1125 VirtualService shop/catalog spec.http[0].route[2].destination.subset",
  ]);
  expect(found(...world, ...routes, release("catalog", { strategy: "rolling" }, { status }))).toEqual([]);
});

test("what can't be steered", () => {
  const bare = stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "cron", namespace: "shop", uid: "c", labels: { "sidecar.istio.io/inject": "false" } },
    spec: { containers: [{ name: "app", image: "a" }] },
  });
  expect(found(...world, bare, release("catalog"), flag("cart"))).toEqual([
    "LTN1126 FeatureFlag shop/cart spec.service",
    "LTN1126 Release shop/catalog spec.service",
  ]);
  expect(found(...world, bare, release("catalog", { strategy: "rolling" }))).toEqual([]);
  expect(found(service({ clusterIP: "None" }), pod("v1"), release("catalog"))).toEqual(["LTN1127 Release shop/catalog spec.service"]);
});

// Names that are nobody's: refused with what was meant, while everybody who is there, be it without requests or pods, is known.

import { describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../../test/harness/world.ts";
import type { StatQuery } from "../../http/telemetry-contract.ts";
import { MeshError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { knownEndsOf } from "./known-ends.ts";
import { meshStat } from "./mesh-stat.ts";
import { MeshTelemetry } from "./mesh-telemetry.ts";

const yaml = `
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: v1
kind: Pod
metadata: {name: catalog-v1-x, namespace: shop, labels: {app: catalog, version: v1, sidecar.istio.io/inject: "true"}}
spec: {serviceAccountName: catalog, containers: [{name: main, image: i}]}
status: {podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: catalog, namespace: shop}
spec: {selector: {app: catalog}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: ledger, namespace: data}
spec: {selector: {app: ledger}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleeping, namespace: shop}
spec:
  replicas: 0
  selector: {matchLabels: {app: dreamer}}
  template: {metadata: {labels: {app: dreamer}}, spec: {containers: [{name: main, image: i}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec: {hosts: [api.example.com, "*.wide.example"], ports: [{number: 443, name: tls, protocol: TLS}], resolution: NONE}
`;

const { mesh } = worldOf(yaml);
const known = knownEndsOf(snapshotOf(resourcesOf(yaml)), mesh);

/** What is said where nothing was ever counted; undefined: no requests. */
function problemOf(query: Partial<StatQuery>, { isMade = true } = {}): string | undefined {
  using telemetry = Object.assign(new MeshTelemetry({ mesh: () => mesh, logger: silentLogger }), {
    [Symbol.dispose]: () => telemetry.close(),
  });
  try {
    expect(
      meshStat(telemetry, { by: "service", reporter: "client", windowMs: 10_000, ...query }, () => (isMade ? known : undefined)).rows,
    ).toEqual([]);
    return undefined;
  } catch (error) {
    const { code, message, fix } = MeshError.from(error);
    if (code !== "not_found") throw error;
    return `${message}; ${fix}`;
  }
}

describe("who is there is asked about, also without requests or pods", () => {
  test.each<Partial<StatQuery>>([
    {},
    { name: "catalog" },
    { name: "catalog", namespace: "shop" },
    { name: "shop/catalog" },
    { name: "catalog.shop" },
    { name: "catalog.shop.svc.cluster.local", by: "version" },
    { name: "api.example.com" },
    { name: "a.wide.example" },
    { name: "PassthroughCluster" },
    { name: "ledger", namespace: "data" },
    { name: "catalog-v1-x", by: "workload" },
    { name: "catalog", by: "workload" },
    { name: "sleeping", by: "workload" },
    { name: "dreamer", by: "source" },
    { namespace: "empty" },
    { by: "edge", from: "shop/sleeping", to: "ledger" },
    { by: "edge", from: "unknown", to: "service/catalog" },
  ])("%j", (query) => expect(problemOf(query)).toBeUndefined());
});

describe("who isn't is refused, with the nearest name", () => {
  test.each<[Partial<StatQuery>, string]>([
    [{ name: "catalgo" }, "there is no service catalgo; did you mean catalog?"],
    [{ name: "shop/catalgo" }, "there is no service catalgo in namespace shop; did you mean catalog?"],
    [{ name: "catalog", namespace: "data" }, "there is no service catalog in namespace data; there is one in namespace shop"],
    [{ name: "ledgr", namespace: "shop" }, "there is no service ledgr in namespace shop; did you mean data/ledger?"],
    [
      { name: "nothing-like-it", namespace: "shop" },
      "there is no service nothing-like-it in namespace shop; there are *.wide.example, api.example.com, shop/catalog",
    ],
    [{ name: "sleepin", by: "workload" }, "there is no workload sleepin; did you mean sleeping?"],
    [{ name: "ledger", by: "source" }, "there is no workload ledger; there are shop/catalog-v1-x, shop/sleeping"],
    [{ name: "api.exampel.com" }, "there is no service api.exampel.com; did you mean api.example.com?"],
    [{ from: "shop/sleepng" }, "there is no workload shop/sleepng; did you mean shop/sleeping?"],
    [{ to: "deploy/catalog" }, "there is no workload deploy/catalog; there are shop/catalog-v1-x, shop/sleeping"],
    [{ to: "svc/catalgo" }, "there is no service svc/catalgo; did you mean shop/catalog?"],
    [{ to: "ledgre" }, "there is no workload or service ledgre; did you mean ledger?"],
    [{ namespace: "shpo" }, "there is no namespace shpo; did you mean shop?"],
    [{ namespace: "production" }, "there is no namespace production; namespaces: data, empty, shop"],
  ])("%j: %s", (query, problem) => expect(problemOf(query)).toBe(problem));

  test("nobody is before the first mesh is made", () => expect(problemOf({ name: "catalgo" }, { isMade: false })).toBeUndefined());
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type DestinationRule, destinationRuleSchema } from "../../api/networking/destination-rule.ts";
import { type VirtualService, virtualServiceSchema } from "../../api/networking/virtual-service.ts";
import { parseManifests } from "../../api/parse.ts";
import { configuredShares, releasedShares } from "./configured-weights.ts";

const shop = join(import.meta.dirname, "../../../examples/shop");

/** The routing objects of files, later ones replacing earlier ones of the same name. */
function routingOf(...files: readonly string[]) {
  const virtualServices = new Map<string, VirtualService>();
  const destinationRules = new Map<string, DestinationRule>();
  for (const file of files) {
    for (const { value } of parseManifests(readFileSync(join(shop, file)), { file, defaultNamespace: "shop" }).resources) {
      const virtualService = virtualServiceSchema.safeParse(value).data;
      const destinationRule = destinationRuleSchema.safeParse(value).data;
      if (virtualService !== undefined) virtualServices.set(virtualService.metadata.name, virtualService);
      if (destinationRule !== undefined) destinationRules.set(destinationRule.metadata.name, destinationRule);
    }
  }
  return { virtualServices: [...virtualServices.values()], destinationRules: [...destinationRules.values()] };
}

const start = ["manifests/gateway.yaml", "manifests/routing.yaml"];

function textOf(...files: readonly string[]): readonly string[] {
  const shares = configuredShares(routingOf(...start, ...files), "shop", ["web", "catalog", "stock"]);
  return [...shares].map(
    ([service, split]) => `${service} ${split.map(({ version, weightPercent }) => `${version}=${weightPercent}`).join(" ")}`,
  );
}

test.each([
  ["at the start", [], ["web v1=90 v2=10"]],
  ["half and half", ["try/shift-50.yaml"], ["web v1=50 v2=50"]],
  ["testers have a route of their own, ordinary visitors keep theirs", ["try/testers-v2.yaml"], ["web v1=90 v2=10"]],
  ["catalog's route names no version", ["try/fault.yaml"], ["web v1=90 v2=10"]],
  ["a mirror gets no share", ["try/mirror.yaml"], ["web v1=100"]],
])("%s", (_, files, expected) => {
  expect(textOf(...files)).toEqual(expected);
});

test("weights are relative, and subsets go by their version label", () => {
  const virtualService = virtualServiceSchema.parse({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "x", namespace: "shop" },
    spec: {
      hosts: ["web"],
      http: [
        {
          route: [
            { destination: { host: "web.shop.svc.cluster.local", subset: "old" }, weight: 1 },
            { destination: { host: "web", subset: "new" }, weight: 2 },
          ],
        },
      ],
    },
  });
  const rule = destinationRuleSchema.parse({
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name: "x", namespace: "shop" },
    spec: { host: "web", subsets: [{ name: "old", labels: { version: "v1" } }] },
  });
  expect(configuredShares({ virtualServices: [virtualService], destinationRules: [rule] }, "shop", ["web"]).get("web")).toEqual([
    { version: "v1", weightPercent: 33.33 },
    { version: "new", weightPercent: 66.67 },
  ]);
});

test("a release's weights stand for its service once there is a candidate", () => {
  const status = {
    phase: "Progressing",
    step: 1,
    steps: 2,
    weightPercent: 10,
    proxies: { acknowledged: 8, total: 8 },
    verdict: "",
    failedRequests: 0,
    conditions: [],
  } as const;
  const releases = [
    { service: "catalog", status: { ...status, stable: "v2", candidate: "v3" } },
    { service: "web", status: { ...status, stable: "v1" } },
  ];
  expect([...releasedShares(releases)]).toEqual([
    [
      "catalog",
      [
        { version: "v2", weightPercent: 90 },
        { version: "v3", weightPercent: 10 },
      ],
    ],
  ]);
});

// Goldens of the RBAC translators: testdata/rbac-*.in.yaml (HTTP, per-route configuration) and tcp-rbac-*.in.yaml (network filters) → .out.json.
// Rewritten by `vitest run src/translate/filter -u`.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AnyJson } from "@bufbuild/protobuf/wkt";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { FilterSchema } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { testPolicies } from "../../../test/harness/policies.ts";
import { startRbacEnvoy } from "../../../test/harness/rbac-envoy.ts";
import { startTcpRbacEnvoy, staticNetworkFilters } from "../../../test/harness/tcp-rbac-envoy.ts";
import { decodeJson, encodeJson } from "../../envoy/codec.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";
import { rbacPerRoute } from "./rbac-filters.ts";

const folder = join(import.meta.dirname, "testdata");
const files = readdirSync(folder)
  .filter((file) => /^(?:tcp-)?rbac-/.test(file))
  .sort();
const cases = files.filter((file) => file.endsWith(".in.yaml")).map((file) => file.slice(0, -".in.yaml".length));
const httpCases = cases.filter((name) => name.startsWith("rbac-"));
const tcpCases = cases.filter((name) => name.startsWith("tcp-"));
const options = { trustDomains: ["cluster.local", "old"] };

function policiesOf(name: string): WorkloadPolicies {
  const subject = { namespace: "shop", labels: { app: "web" } };
  return authorizationPoliciesOf(testPolicies(readFileSync(join(folder, `${name}.in.yaml`), "utf8")), subject, "istio-system");
}

const perRoute = (name: string): Record<string, AnyJson> => rbacPerRoute(policiesOf(name), options);
const filters = (name: string): FilterJson[] => staticNetworkFilters(policiesOf(name), options);

test.each(httpCases)("%s", async (name) => {
  const made = perRoute(name);
  for (const json of Object.values(made)) {
    const bytes = encodeJson(AnySchema, json);
    expect(encodeJson(AnySchema, decodeJson(AnySchema, bytes))).toEqual(bytes);
  }
  await expect(`${JSON.stringify(made, undefined, 2)}\n`).toMatchFileSnapshot(join(folder, `${name}.out.json`));
});

test.each(tcpCases)("%s", async (name) => {
  const made = filters(name);
  for (const json of made) {
    const bytes = encodeJson(FilterSchema, json);
    expect(encodeJson(FilterSchema, decodeJson(FilterSchema, bytes))).toEqual(bytes);
  }
  await expect(`${JSON.stringify(made, undefined, 2)}\n`).toMatchFileSnapshot(join(folder, `${name}.out.json`));
});

test("no golden is without its input", () => {
  const known = new Set(cases.flatMap((name) => [`${name}.in.yaml`, `${name}.out.json`]));
  expect(files.filter((file) => !known.has(file))).toEqual([]);
});

test("a real Envoy takes them all", async () => {
  await using http = await startRbacEnvoy();
  await http.load(new Map(httpCases.map((name) => [name, perRoute(name)])));
  for (const name of tcpCases) {
    await using tcp = await startTcpRbacEnvoy(() => filters(name));
    expect(await tcp.admin("/ready")).toContain("LIVE");
  }
});

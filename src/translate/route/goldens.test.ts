// Goldens: testdata/<case>.in.yaml → <case>.out.json, the virtual hosts alone. Rewritten by `vitest run src/translate/route -u`.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { VirtualHostSchema } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { startRouteEnvoy } from "../../../test/harness/route-envoy.ts";
import { routeWorld } from "../../../test/harness/route-world.ts";
import { decodeJson, encodeJson } from "../../envoy/codec.ts";
import { EncodeCache } from "../../envoy/encode-cache.ts";
import { clustersOf } from "./clusters-of.ts";
import { RouteEncoder, routeConfiguration, routeConfigurationHead } from "./route-configuration.ts";
import { defaultRouteSettings } from "./settings.ts";

const folder = join(import.meta.dirname, "testdata");
const files = readdirSync(folder).sort();
const cases = files.filter((file) => file.endsWith(".in.yaml")).map((file) => file.slice(0, -".in.yaml".length));

function virtualHostsOf(name: string): VirtualHostJson[] {
  const { table, client } = routeWorld(readFileSync(join(folder, `${name}.in.yaml`), "utf8"));
  return routeConfiguration(table, client, defaultRouteSettings).virtualHosts ?? [];
}

test.each(cases)("%s", async (name) => {
  const hosts = virtualHostsOf(name);
  for (const host of hosts) {
    const bytes = encodeJson(VirtualHostSchema, host);
    expect(encodeJson(VirtualHostSchema, decodeJson(VirtualHostSchema, bytes))).toEqual(bytes);
  }
  await expect(`${JSON.stringify(hosts, undefined, 2)}\n`).toMatchFileSnapshot(join(folder, `${name}.out.json`));
});

test("no golden is without its input", () => {
  const known = new Set(cases.flatMap((name) => [`${name}.in.yaml`, `${name}.out.json`]));
  expect(files.filter((file) => !known.has(file))).toEqual([]);
});

test.each(cases)("%s refers to every cluster it names", (name) => {
  const { table, client } = routeWorld(readFileSync(join(folder, `${name}.in.yaml`), "utf8"));
  const encoded = new RouteEncoder(new EncodeCache(), defaultRouteSettings).routeConfiguration(table, client);
  const named = [...new Set(virtualHostsOf(name).flatMap(clustersOf))].sort();
  expect(encoded.references).toEqual(named.map((cluster) => ({ type: "cds", name: cluster })));
});

test("a real Envoy takes them all", async () => {
  // Domains must be unique in one route configuration: each case gets a suffix of its own.
  const virtualHosts = cases.flatMap((name) =>
    virtualHostsOf(name).map((host) => ({
      ...host,
      name: `${name} ${host.name}`,
      domains: (host.domains ?? []).map((domain) => (domain === "*" ? `*.${name}` : `${domain}.${name}`)),
    })),
  );
  await using envoy = await startRouteEnvoy({ name: "80", ...routeConfigurationHead, virtualHosts }, []);
  expect((await envoy.send({ host: "nobody.example" })).status).toBe(404);
});

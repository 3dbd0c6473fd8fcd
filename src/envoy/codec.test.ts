import { expect, test } from "vitest";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "./any.ts";
import { decodeJson, encodeJson } from "./codec.ts";

test("packs an Any and reads it back", () => {
  const filter = {
    name: "http",
    typedConfig: any(HttpConnectionManagerSchema, { statPrefix: "x", rds: { routeConfigName: "80", configSource: { ads: {} } } }),
  };
  const listener = { name: "l", filterChains: [{ filters: [filter] }] };
  expect(decodeJson(ListenerSchema, encodeJson(ListenerSchema, listener))).toEqual(listener);
});

test("names the field that does not fit the schema", () => {
  expect(() => encodeJson(RouteConfigurationSchema, JSON.parse('{"virtualHosts":[{"domain":["a"]}]}'))).toThrow(/domain/);
});

test("a typed config of the wrong shape does not compile", () => {
  // @ts-expect-error misspelt field
  expect(any(HttpConnectionManagerSchema, { statPrefx: "x" })).toBeDefined();
});

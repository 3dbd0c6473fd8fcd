// Whatever access log format a MeshConfig may have, a real Envoy takes, in HTTP and TCP filters: over one that it refuses no proxy would get a
// listener any more.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { TcpProxySchema } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { temporaryFolder } from "../../../test/harness/envoy.ts";
import { parseMeshConfig } from "../../api/mesh-config.ts";
import { commandNames } from "../../api/substitution-format.ts";
import { any } from "../../envoy/any.ts";
import { meshSettingsOf } from "../../model/settings.ts";
import { accessLog } from "./access-log.ts";

const argument = fc.oneof(
  fc.constantFrom("x", ":PATH", "X?:PATH", "a:b", "a:b:c", "key:PLAIN", "key:TYPED", "%Y-%m-%d", "%s.%3f", "%E4n", "%f%9f", "", "?", "a b"),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const name = fc.oneof(fc.constantFrom(...commandNames), fc.constantFrom("FOO", "CEL", "METADATA", "REQ_WITHOUT_QUERY", "req", ""));
const command = fc
  .tuple(name, fc.option(argument), fc.option(fc.constantFrom("0", "7", "65536", "99999999999", "99999999999999999999999", "-1", "x")))
  .map(([word, within, length]) => `%${word}${within === null ? "" : `(${within})`}${length === null ? "" : `:${length}`}%`);
const text = fc.oneof(fc.constantFrom("%%", "%", " ", "\n", "[", '"', "{}", "100%%"), fc.string({ maxLength: 6 }));
const format = fc.array(fc.oneof(command, text), { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));

const json = fc.dictionary(
  fc.oneof(fc.constantFrom("a", "b.c", "%REQ(x)%", "", "\n"), fc.string({ maxLength: 4 })),
  fc.oneof(
    format,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.array(fc.oneof(format, fc.integer(), fc.array(format, { maxLength: 2 })), { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 3 }), fc.oneof(format, fc.boolean()), { maxKeys: 2 }),
  ),
  { maxKeys: 3 },
);

/** Undefined when the checks refuse it. */
function accepted(format: string | object) {
  const asText = typeof format === "string" ? format : JSON.stringify(format);
  const logFormat = typeof format === "string" ? { text: format } : { labels: format };
  const { value, diagnostics } = parseMeshConfig(
    stringify({
      accessLogEncoding: typeof format === "string" ? "TEXT" : "JSON",
      accessLogFormat: asText,
      extensionProviders: [{ name: "other", envoyFileAccessLog: { path: "/dev/stderr", omitEmptyValues: true, logFormat } }],
    }),
  );
  return diagnostics.length > 0 ? undefined : { accessLogFormat: asText, logs: accessLog(meshSettingsOf(value), "outbound") };
}

type Accepted = NonNullable<ReturnType<typeof accepted>>;

function bootstrap(list: readonly Accepted[]): BootstrapJson {
  const logs = list.flatMap((item) => item.logs);
  const manager = any(HttpConnectionManagerSchema, {
    statPrefix: "http",
    routeConfig: {},
    httpFilters: [{ name: "router", typedConfig: any(RouterSchema, {}) }],
    accessLog: logs,
  });
  const proxy = any(TcpProxySchema, { statPrefix: "tcp", cluster: "none", accessLog: logs });
  const listener = (filter: string, typedConfig: typeof manager) => ({
    name: filter,
    address: { socketAddress: { address: "127.0.0.1", portValue: 0 } },
    filterChains: [{ filters: [{ name: filter, typedConfig }] }],
    accessLog: logs,
  });
  const clusters = [{ name: "none", connectTimeout: "1s" }];
  return { staticResources: { clusters, listeners: [listener("http", manager), listener("tcp", proxy)] } };
}

test("random formats", { timeout: 120_000 }, async () => {
  const envoyPath = process.env["ENVOY_PATH"];
  if (envoyPath === undefined) throw new Error("ENVOY_PATH is not set: run tests with `npm test` or `node scripts/run.mjs vitest`");
  const each = [...commandNames].flatMap((word) => [`%${word}%`, `%${word}(x)%`, `%${word}:5%`]);
  const samples = [...each, ...fc.sample(format, { seed: 12, numRuns: 6000 }), ...fc.sample(json, { seed: 12, numRuns: 3000 })];
  const formats = samples.map(accepted).filter((item) => item !== undefined);
  expect(formats.length).toBeGreaterThan(1000);
  await using folder = await temporaryFolder();
  const file = join(folder.path, "envoy.json");
  const refused: string[] = [];
  const tryAll = (list: readonly Accepted[]): void => {
    writeFileSync(file, JSON.stringify(bootstrap(list)));
    const { status, stderr } = spawnSync(envoyPath, ["--mode", "validate", "--log-level", "error", "-c", file], { encoding: "utf8" });
    if (status === 0 || refused.length > 20) return;
    const [only, ...others] = list;
    if (only !== undefined && others.length === 0) {
      refused.push(`${JSON.stringify(only.accessLogFormat)}: ${stderr.slice(-300)}`);
      return;
    }
    tryAll(list.slice(0, list.length / 2));
    tryAll(list.slice(list.length / 2));
  };
  tryAll(formats);
  expect(refused).toEqual([]);
});

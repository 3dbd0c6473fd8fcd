// What Telemetries of all levels come to for a workload, by Istio's rules, and that switching touches runtime keys only.

import { expect, test } from "vitest";
import { worldOf } from "../../test/harness/world.ts";
import { type MeshConfig, parseMeshConfig } from "../api/mesh-config.ts";
import { telemetrySchema } from "../api/telemetry/telemetry.ts";
import type { ProxyConfig } from "../envoy/config.ts";
import { routerExtensionName } from "../envoy/names.ts";
import { createTranslator } from "../translate/proxy-config.ts";
import { meshSettingsOf } from "./settings.ts";
import { createTelemetryLookup, type ProxyTelemetry } from "./telemetry-levels.ts";

const subject = { namespace: "shop", labels: { app: "web" } };
const web = { matchLabels: { app: "web" } };
const providers = [
  { name: "otel", opentelemetry: { service: "otel.tools", port: 4317 } },
  { name: "zip", zipkin: { service: "zipkin.tools", port: 9411 } },
  { name: "file", envoyFileAccessLog: { path: "/tmp/a.log" } },
  { name: "stream", envoyFileAccessLog: { path: "/dev/stderr" } },
];

interface Given {
  readonly mesh?: object;
  /** "<namespace>/<name>": spec; older ones first. */
  readonly telemetries?: Readonly<Record<string, object>>;
}

function configOf(mesh: object): MeshConfig {
  const { value, diagnostics } = parseMeshConfig(JSON.stringify(mesh));
  expect(diagnostics).toEqual([]);
  return value;
}

function telemetryOf({ mesh = {}, telemetries = {} }: Given): ProxyTelemetry {
  const list = Object.entries(telemetries).map(([key, spec], index) => {
    const [namespace, name] = key.split("/");
    const metadata = { name, namespace, creationTimestamp: `2030-01-01T00:00:0${index}Z` };
    return telemetrySchema.parse({ apiVersion: "telemetry.istio.io/v1", kind: "Telemetry", metadata, spec });
  });
  return createTelemetryLookup(list, meshSettingsOf(configOf({ extensionProviders: providers, ...mesh })))(subject);
}

/** Logs of both sides: "in: …; out: …". */
function logsOf(given: Given): string {
  const { inbound, outbound } = telemetryOf(given);
  const text = (names: readonly (string | undefined)[]) => names.map((name) => name ?? "accessLogFile").join("+") || "-";
  return `in ${text(inbound.accessLogs)}, out ${text(outbound.accessLogs)}`;
}

const use = (name: string, more: object = {}) => ({ providers: [{ name }], ...more });
const off = { disabled: true };
const client = { match: { mode: "CLIENT" } };
const server = { match: { mode: "SERVER" } };
const logging = (...accessLogging: readonly object[]) => ({ accessLogging });

test.each<[string, Given, string]>([
  ["no Telemetry: the mesh's file", {}, "in envoy, out envoy"],
  ["none", { mesh: { accessLogFile: "" } }, "in -, out -"],
  ["another file", { mesh: { accessLogFile: "/tmp/x.log" } }, "in accessLogFile, out accessLogFile"],
  ["default providers replace the file", { mesh: { defaultProviders: { accessLogging: ["file"] } } }, "in file, out file"],
  ["provider names in any case", { mesh: { accessLogFile: "" }, telemetries: { "shop/a": logging(use("FILE")) } }, "in file, out file"],
  ["an unknown provider", { telemetries: { "shop/a": logging(use("nobody")) } }, "in -, out -"],
  ["off for the mesh", { telemetries: { "istio-system/a": logging(off) } }, "in -, out -"],
  [
    "off for the mesh, on for the namespace",
    { telemetries: { "istio-system/a": logging(off), "shop/a": logging({ disabled: false }) } },
    "in envoy, out envoy",
  ],
  [
    "off for the namespace, on for the workload",
    { telemetries: { "shop/a": logging(off), "shop/b": { selector: web, ...logging(use("envoy")) } } },
    "in envoy, out envoy",
  ],
  ["off for another namespace", { telemetries: { "other/a": logging(off) } }, "in envoy, out envoy"],
  [
    "off for another workload",
    { telemetries: { "shop/a": { selector: { matchLabels: { app: "db" } }, ...logging(off) } } },
    "in envoy, out envoy",
  ],
  [
    "a selector in the root namespace reaches its own pods only",
    { telemetries: { "istio-system/a": { selector: web, ...logging(off) } } },
    "in envoy, out envoy",
  ],
  ["the oldest of a level counts", { telemetries: { "shop/b": logging(use("file")), "shop/a": logging(off) } }, "in file, out file"],
  ["one side off", { telemetries: { "shop/a": logging({ ...client, ...off }) } }, "in envoy, out -"],
  [
    "one side off with a name, as in Istio",
    { telemetries: { "shop/a": logging(use("envoy"), use("envoy", { ...server, ...off })) } },
    "in -, out envoy",
  ],
  ["one side on", { telemetries: { "shop/a": logging(use("envoy", client)) } }, "in -, out envoy"],
  [
    "two providers",
    { telemetries: { "shop/a": logging({ providers: [{ name: "file" }, { name: "envoy" }] }) } },
    "in envoy+file, out envoy+file",
  ],
  [
    "the closest level's providers replace the others",
    { telemetries: { "istio-system/a": logging(use("envoy")), "shop/a": logging(use("file")) } },
    "in file, out file",
  ],
  [
    "what is off above stays off until somebody says on",
    { telemetries: { "istio-system/a": logging(use("envoy", off)), "shop/a": logging(use("envoy", client)) } },
    "in -, out envoy",
  ],
  ["a level without logging says nothing", { telemetries: { "istio-system/a": logging(off), "shop/a": { tracing: [{}] } } }, "in -, out -"],
])("access logs: %s", (_what, given, expected) => expect(logsOf(given)).toBe(expected));

const tracing = (...entries: readonly object[]) => ({ tracing: entries });
const tags = (value: string) => ({ customTags: { t: { literal: { value } } } });

/** "<percent>% <provider> <tags> <off>" of both sides, once where they are equal. */
function tracingOf(given: Given): string {
  const { inbound, outbound } = telemetryOf(given);
  const text = ({ tracing: { sampling, provider, tags, isReporting } }: ProxyTelemetry["inbound"]) =>
    [`${sampling}%`, provider, ...tags.map(({ name, source }) => `${name}=${source.literal?.value}`), isReporting ? "" : "off"]
      .filter(Boolean)
      .join(" ");
  const [a, b] = [text(inbound), text(outbound)];
  return a === b ? a : `in ${a}, out ${b}`;
}

test.each<[string, Given, string]>([
  ["no Telemetry: 1 %", {}, "1%"],
  ["the mesh's", { mesh: { defaultConfig: { tracing: { sampling: 20, ...tags("mesh") } } } }, "20% t=mesh"],
  ["tracing off", { mesh: { enableTracing: false } }, "1% off"],
  [
    "tracing off, but a Telemetry asks for it",
    { mesh: { enableTracing: false }, telemetries: { "shop/a": tracing({ randomSamplingPercentage: 5 }) } },
    "5%",
  ],
  ["default provider", { mesh: { defaultProviders: { tracing: ["zip"] } } }, "1% zip"],
  [
    "fields of all levels",
    {
      telemetries: {
        "istio-system/a": tracing({ ...use("otel"), randomSamplingPercentage: 10 }),
        "shop/a": tracing(tags("ns")),
        "shop/b": { selector: web, ...tracing({ randomSamplingPercentage: 0 }) },
      },
    },
    "0% otel t=ns",
  ],
  [
    "tags aren't merged",
    { mesh: { defaultConfig: { tracing: tags("mesh") } }, telemetries: { "shop/a": tracing({ customTags: {} }) } },
    "1%",
  ],
  [
    "reporting off and on again",
    { telemetries: { "istio-system/a": tracing({ disableSpanReporting: true }), "shop/a": tracing({ disableSpanReporting: false }) } },
    "1%",
  ],
  [
    "reporting off",
    { telemetries: { "istio-system/a": tracing({ disableSpanReporting: true }), "shop/a": tracing({ randomSamplingPercentage: 50 }) } },
    "50% off",
  ],
  ["one side", { telemetries: { "shop/a": tracing({ ...server, randomSamplingPercentage: 50 }) } }, "in 50%, out 1%"],
  ["only the first provider", { telemetries: { "shop/a": tracing({ providers: [{ name: "zip" }, { name: "otel" }] }) } }, "1% zip"],
])("tracing: %s", (_what, given, expected) => expect(tracingOf(given)).toBe(expected));

const world = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, name: http}, {port: 90, name: tcp}], clusterIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main, image: web}]}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: in, namespace: shop, labels: {app: in}, annotations: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: main, image: in}]}
status: {podIP: 10.1.0.2}
`;

const caller = `
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: shop, labels: {app: other}}
spec: {containers: [{name: main, image: other}]}
status: {podIP: 10.1.0.3}
`;

function translated(spec: object, mesh: object = {}, proxy = "web-1.shop") {
  const document = JSON.stringify({
    apiVersion: "telemetry.istio.io/v1",
    kind: "Telemetry",
    metadata: { name: "t", namespace: "shop" },
    spec,
  });
  const built = worldOf(`${world}\n---\n${document}\n`, { settings: meshSettingsOf(configOf({ extensionProviders: providers, ...mesh })) });
  const { listeners, runtime } = createTranslator()(built.mesh, built.proxy(proxy));
  const versions = [...listeners.values()].map(({ name, version }) => `${name} ${version}`).sort();
  return { versions, runtime: Object.fromEntries([...runtime].sort()) };
}

const both = (key: string, value: number) => ({ [`${key}.inbound`]: value, [`${key}.outbound`]: value });

test.each<[string, object, object, object]>([
  ["nothing", {}, {}, {}],
  ["logs off", logging(off), {}, both("lateen.access_log", 0)],
  ["one side's log off", logging({ ...client, ...off }), {}, { "lateen.access_log.outbound": 0 }],
  ["logs off by MeshConfig", {}, { accessLogFile: "" }, both("lateen.access_log", 0)],
  [
    "another provider of a standard stream",
    logging(use("stream")),
    {},
    { ...both("lateen.access_log", 0), "lateen.access_log.inbound.stream": 100, "lateen.access_log.outbound.stream": 100 },
  ],
  ["all traces", tracing({ randomSamplingPercentage: 100 }), {}, { "tracing.random_sampling": 10_000 }],
  ["few traces", tracing({ randomSamplingPercentage: 0.01 }), {}, { "tracing.random_sampling": 1 }],
  ["more by MeshConfig", {}, { defaultConfig: { tracing: { sampling: 2.5 } } }, { "tracing.random_sampling": 250 }],
  ["another tracing provider", tracing(use("otel")), {}, {}],
])("no listener changes: %s", (_what, spec, mesh, runtime) => {
  const before = translated({});
  const after = translated(spec, mesh);
  expect(after.runtime).toEqual(runtime);
  expect(after.versions).toEqual(before.versions);
});

test("with a Zipkin provider the listeners read B3 headers", () => {
  expect(translated(tracing(use("zip"))).versions).not.toEqual(translated({}).versions);
});

test("a gateway has one side, the client's", () => {
  const spec = { ...logging({ ...server, ...off }), ...tracing({ ...server, randomSamplingPercentage: 7 }) };
  expect(translated(spec, {}, "in.shop")).toEqual(translated({}, {}, "in.shop"));
  expect(translated(logging({ ...client, ...off }), {}, "in.shop").runtime).toEqual({ "lateen.access_log.outbound": 0 });
});

test("files that may be impossible to open are known only to proxies that are told of them, and then switched by keys", () => {
  const on = translated({ selector: web, ...logging(use("file")) });
  expect(on.versions).not.toEqual(translated({}).versions);
  expect(on.runtime).toMatchObject({ "lateen.access_log.inbound.file": 100, "lateen.access_log.outbound.file": 100 });
  expect(translated({ selector: web, ...logging(use("file")) }, {}, "in.shop")).toEqual(translated({}, {}, "in.shop"));
  const off = translated({ selector: web, ...logging(use("file", { disabled: true })) });
  expect(off.versions).toEqual(on.versions);
  expect(off.runtime).not.toHaveProperty(["lateen.access_log.inbound.file"]);
});

test("a workload's own tags, no spans, and sampling that differs by side, change its listeners and nobody else's", () => {
  const before = translated({});
  for (const spec of [tracing(tags("own")), tracing({ ...server, randomSamplingPercentage: 7 }), tracing({ disableSpanReporting: true })]) {
    const after = translated({ selector: web, ...spec });
    expect(after.versions).not.toEqual(before.versions);
    expect(after.runtime).toEqual({});
    expect(translated({ selector: web, ...spec }, {}, "in.shop")).toEqual(translated({}, {}, "in.shop"));
  }
});

test("who counts tries has another router and no other listener; sidecars count what they are told of users as well", () => {
  const counted = new Set(["web-1.shop", "in.shop"]);
  const translate = createTranslator();
  const of = (counting: ReadonlySet<string>) => {
    const built = worldOf(`${world}\n---\n${caller}`, { counting: () => counting });
    const [web, gateway, other] = ["web-1.shop", "in.shop", "other.shop"].map((id) => translate(built.mesh, built.proxy(id)));
    if (web === undefined || gateway === undefined || other === undefined) throw new Error("a proxy is missing");
    return { web, gateway, other };
  };
  const [before, after] = [of(new Set()), of(counted)];
  const routerOf = ({ extensions }: ProxyConfig) => extensions.get(routerExtensionName);
  for (const name of ["web", "gateway"] as const) {
    expect([...after[name].listeners.values()].map(({ version }) => version)).toEqual(
      [...before[name].listeners.values()].map(({ version }) => version),
    );
    expect(routerOf(after[name])?.version).not.toBe(routerOf(before[name])?.version);
  }
  expect([...after.web.runtime]).toEqual([["lateen.tries", 100]]);
  expect([...after.gateway.runtime, ...before.web.runtime]).toEqual([]);
  expect(routerOf(after.web), "one for all that count").toBe(routerOf(after.gateway));
  expect(routerOf(after.other), "and one for all others").toBe(routerOf(before.gateway));
  expect(after.other.extensions, "the whole set, where policies are the same").toBe(before.web.extensions);
});

// Goldens of the translators that need a whole world: <translator>/testdata/<case>.in.yaml → <case>.out.json, only that translator's
// resources. Rewritten by `vitest run src/translate/goldens.test.ts -u`.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { z } from "zod";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { temporaryFolder } from "../../test/harness/envoy.ts";
import { staticBootstrap } from "../../test/harness/static-bootstrap.ts";
import { translatedCase } from "../../test/harness/translated-case.ts";
import { decodeJson, encodeJson } from "../envoy/codec.ts";
import type { ProxyConfig, ResourceSet } from "../envoy/config.ts";
import { credentialSecretName, rootsSecretName, systemRootsSecretName, workloadSecretName } from "../envoy/names.ts";
import { tapLogName } from "../telemetry/tap-record.ts";
import { withoutMirrorBaggage } from "./filter/mirror-mark.ts";

interface Translated {
  readonly name: string;
  readonly schema: DescMessage;
  readonly resources: (config: ProxyConfig) => ResourceSet;
}

const translators: readonly Translated[] = [
  { name: "cluster", schema: ClusterSchema, resources: ({ clusters }) => clusters },
  { name: "endpoint", schema: ClusterLoadAssignmentSchema, resources: ({ endpoints }) => endpoints },
  { name: "listener", schema: ListenerSchema, resources: ({ listeners }) => listeners },
];

const cases = translators.flatMap((translator) => {
  const folder = join(import.meta.dirname, translator.name, "testdata");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".in.yaml"))
    .sort()
    .map((file) => ({ translator, title: `${translator.name} ${file.slice(0, -".in.yaml".length)}`, path: join(folder, file) }));
});

test.each(cases)("$title", async ({ translator: { schema, resources }, path }) => {
  const { config, shows } = translatedCase(readFileSync(path, "utf8"));
  const shown = [...resources(config).values()].filter(shows).map(({ bytes }) => {
    const json = decodeJson(schema, bytes);
    expect(encodeJson(schema, json)).toEqual(bytes);
    return json;
  });
  await expect(`${JSON.stringify(shown, shortened, 2)}\n`).toMatchFileSnapshot(path.replace(/\.in\.yaml$/, ".out.json"));
});

test.each(cases)("$title names nothing that does not exist", ({ path }) => {
  const { config } = translatedCase(readFileSync(path, "utf8"));
  const exists = { cds: config.clusters, eds: config.endpoints, lds: config.listeners, rds: config.routes, ecds: config.extensions };
  const all = [config.clusters, config.endpoints, config.listeners, config.routes].flatMap((set) => [...set.values()]);
  const missing = all
    .flatMap(({ references }) => references)
    .filter(({ type, name }) => type !== "rtds" && !(type === "sds" ? isSecret(name) : exists[type].has(name)));
  expect(missing).toEqual([]);
});

/** Loggers of telemetry are long and much alike: the translated listeners show only that they are there, and for whom those count. */
function shortened(key: string, value: unknown): unknown {
  // The same everywhere but for sampling and tags, see filter/tracing.ts and filter/b3.ts.
  if (key === "provider" && JSON.stringify(value).includes('"envoy.tracers.opentelemetry"')) return "envoy.tracers.opentelemetry";
  if (key === "earlyHeaderMutationExtensions") return "b3 to traceparent";
  const { success, data: log } = telemetryLog.safeParse(value);
  if (!success) return isMarkFilter(value) ? withoutMirrorBaggage.name : value;
  const text = JSON.stringify(log);
  if (text.includes(`"logName":"${tapLogName}"`)) return { name: log.name, log: tapLogName };
  const tags = ["traffic", "service", "security"].flatMap(
    (tag) => new RegExp(`"(?:name|key)":"${tag}","value[^"]*":(?:\\{"stringValue":)?("(?:[^"\\\\]|\\\\.)*")`).exec(text)?.[1] ?? [],
  );
  return { name: log.name, counts: tags.map((tag) => JSON.parse(tag)) };
}

function isMarkFilter(value: unknown): boolean {
  return typeof value === "object" && value !== null && "name" in value && value.name === withoutMirrorBaggage.name;
}

const telemetryLog = z.object({
  name: z.enum(["envoy.access_loggers.open_telemetry", "envoy.access_loggers.stats"]),
  typedConfig: z.unknown(),
});

/** Secrets are made from what the configuration names, after the translation. */
function isSecret(name: string): boolean {
  return [workloadSecretName, rootsSecretName, systemRootsSecretName].includes(name) || name.startsWith(credentialSecretName(""));
}

test.each(translators)("no golden of $name is without its input", ({ name }) => {
  const folder = join(import.meta.dirname, name, "testdata");
  const inputs = new Set(cases.map(({ path }) => path));
  const orphans = readdirSync(folder).filter((file) => !inputs.has(join(folder, file.replace(/\.out\.json$/, ".in.yaml"))));
  expect(orphans).toEqual([]);
});

test("a real Envoy takes them all", async () => {
  const envoyPath = process.env["ENVOY_PATH"];
  if (envoyPath === undefined) throw new Error("ENVOY_PATH is not set: run tests with `npm test` or `node scripts/run.mjs vitest`");
  await using folder = await temporaryFolder();
  for (const { title, path } of cases) {
    const file = join(folder.path, "envoy.json");
    writeFileSync(file, JSON.stringify(staticBootstrap(translatedCase(readFileSync(path, "utf8")).config)));
    const flags = ["--mode", "validate", "--reject-unknown-dynamic-fields", "--log-level", "error"];
    const { status, stderr } = spawnSync(envoyPath, [...flags, "-c", file], { encoding: "utf8" });
    expect({ title, status, stderr: status === 0 ? "" : stderr }).toEqual({ title, status: 0, stderr: "" });
  }
});

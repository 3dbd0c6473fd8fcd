// Telemetries against the rest: providers that exist and can do it, workloads that are there, and one Telemetry for each of them.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../api/finding.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import { meshConfigPlace } from "../api/mesh-config.ts";
import { resourceName } from "../api/resource.ts";
import type { Telemetry } from "../api/telemetry/telemetry.ts";
import type { MeshSettings } from "../model/mesh.ts";
import { hasSelector, isSameName } from "../model/telemetry-levels.ts";
import { accessLogSinks, builtInMetricsProvider } from "../model/telemetry-settings.ts";
import { byAge } from "../model/visibility.ts";
import type { Directory } from "./directory.ts";
import { subjectsOf } from "./security/subjects.ts";
import { settingsOf } from "./settings.ts";

/** Providers that Telemetries and defaultProviders name. */
export function checkTelemetryProviders({ snapshot }: Directory): readonly Diagnostic[] {
  const settings = settingsOf(snapshot);
  const telemetries = snapshot.list("Telemetry");
  const known = providersOf(settings);
  const byDefault = settings.telemetry.defaultProviders;
  const config = `ConfigMap ${meshConfigPlace.namespace}/${meshConfigPlace.name}`;
  return [
    ...purposes.flatMap((purpose) =>
      byDefault[purpose].flatMap((name, index) =>
        providerFinding(name, { purpose, known, path: ["data", "mesh", "defaultProviders", purpose, index] }).map((finding) =>
          diagnosticOf(finding, config),
        ),
      ),
    ),
    ...telemetries.flatMap((telemetry) => {
      const findings = purposes.flatMap((purpose) =>
        telemetry.spec[purpose].flatMap(({ providers }, index) => [
          ...providers.flatMap(({ name }, number) =>
            providerFinding(name, { purpose, known, path: ["spec", purpose, index, "providers", number, "name"] }),
          ),
          ...(purpose === "tracing" && providers.length > 1 ? [onlyFirst(["spec", purpose, index, "providers"])] : []),
        ]),
      );
      return findings.map((finding) => diagnosticOf(finding, resourceName(telemetry)));
    }),
  ];
}

const purposes = ["tracing", "accessLogging", "metrics"] as const;
type Purpose = (typeof purposes)[number];

interface KnownProvider {
  readonly name: string;
  /** Undefined for those that nothing acts on yet. */
  readonly purpose: Purpose | undefined;
}

function providersOf(settings: MeshSettings): readonly KnownProvider[] {
  const { traceProviders, otherProviders } = settings.telemetry;
  return [
    ...accessLogSinks(settings).flatMap(({ provider }) =>
      provider === undefined ? [] : [{ name: provider, purpose: "accessLogging" as const }],
    ),
    ...traceProviders.map(({ name }) => ({ name, purpose: "tracing" as const })),
    { name: builtInMetricsProvider, purpose: "metrics" as const },
    ...otherProviders.map((name) => ({ name, purpose: undefined })),
  ];
}

const uses = { tracing: "spans", accessLogging: "access logs", metrics: "metrics" } as const;

function providerFinding(
  name: string,
  { purpose, known, path }: { readonly purpose: Purpose; readonly known: readonly KnownProvider[]; readonly path: Finding["path"] },
): readonly Finding[] {
  const found = known.filter((provider) => isSameName(provider.name, name));
  // Providers of kinds that nothing acts on have a finding of their own, where they are defined.
  if (found.some((provider) => provider.purpose === purpose || provider.purpose === undefined)) return [];
  const [other] = found;
  if (other !== undefined) {
    const message = `provider ${JSON.stringify(name)} takes ${uses[other.purpose ?? purpose]}, no ${uses[purpose]}`;
    return [{ code: "LTN1203", path, message }];
  }
  const able = known.filter((provider) => provider.purpose === purpose).map((provider) => provider.name);
  const message = `there is no provider ${JSON.stringify(name.slice(0, 80))} for ${uses[purpose]}`;
  const there = able.length === 0 ? "" : `Use ${able.join(" or ")}, or `;
  const add = `add it to extensionProviders in ConfigMap ${meshConfigPlace.namespace}/${meshConfigPlace.name}.`;
  return [{ code: "LTN1202", path, message, fix: `${there}${there === "" ? "A" : "a"}${add.slice(1)}` }];
}

function onlyFirst(path: Finding["path"]): Finding {
  return { code: "LTN1206", path, message: "several providers for spans are named; only the first one gets them" };
}

/** Telemetries that an older one of the same level leaves without effect, and selectors that select nothing. */
export function checkTelemetrySelections({ snapshot }: Directory): readonly Diagnostic[] {
  const oldest = byAge(snapshot.list("Telemetry"));
  const subjects = subjectsOf(snapshot).filter(({ proxy }) => proxy !== undefined);
  return oldest.flatMap((telemetry, index) => {
    const older = oldest.slice(0, index).filter(({ metadata }) => metadata.namespace === telemetry.metadata.namespace);
    if (!hasSelector(telemetry)) {
      const first = older.find((other) => !hasSelector(other));
      return first === undefined ? [] : [leftOut(telemetry, first, `namespace ${telemetry.metadata.namespace}`)];
    }
    const labels = telemetry.spec.selector?.matchLabels ?? {};
    const { namespace } = telemetry.metadata;
    const selected = subjects.filter((subject) => subject.namespace === namespace && labelsMatch(labels, subject.labels));
    if (selected.length === 0) {
      const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      const message = `no pod of namespace ${namespace} with a proxy has the labels ${wanted.join(", ")}`;
      return [diagnosticOf({ code: "LTN1205", path: ["spec", "selector"], message }, resourceName(telemetry))];
    }
    for (const subject of selected) {
      const first = older.find((other) => hasSelector(other) && labelsMatch(other.spec.selector?.matchLabels ?? {}, subject.labels));
      if (first !== undefined) return [leftOut(telemetry, first, subject.name)];
    }
    return [];
  });
}

function leftOut(telemetry: Telemetry, older: Telemetry, what: string): Diagnostic {
  const message = `${what} has ${resourceName(older)} already, which is older; this Telemetry is left out for it`;
  const path = hasSelector(telemetry) ? ["spec", "selector"] : ["spec"];
  return diagnosticOf(
    { code: "LTN1204", path, message, fix: `Merge it into ${resourceName(older)}, or remove one of them.` },
    resourceName(telemetry),
  );
}

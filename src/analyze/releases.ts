// Releases and FeatureFlags against the rest: services, versions and flags that exist, one Release for each service, and whether its traffic can be steered.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../api/finding.ts";
import { serviceHost } from "../api/hosts.ts";
import type { Service } from "../api/kubernetes/service.ts";
import { destinationsOf } from "../api/networking/destinations.ts";
import type { FeatureFlag } from "../api/release/feature-flag.ts";
import type { Release } from "../api/release/release.ts";
import { rulingRelease } from "../api/release/ruling.ts";
import { stepsOf } from "../api/release/steps.ts";
import { resourceName } from "../api/resource.ts";
import { closest } from "../api/suggest.ts";
import { type Directory, nameOf } from "./directory.ts";
import { subjectsOf } from "./security/subjects.ts";

type Subject = Release | FeatureFlag;

const subjects = ({ snapshot }: Directory): readonly Subject[] => [...snapshot.list("Release"), ...snapshot.list("FeatureFlag")];

function serviceOf({ snapshot }: Directory, { metadata, spec }: Subject): Service | undefined {
  return snapshot.get("Service", metadata.namespace, spec.service);
}

/** Services that nobody knows, and a second Release for one service. */
export function checkReleaseServices(directory: Directory): readonly Diagnostic[] {
  const { snapshot } = directory;
  const unknown = subjects(directory).flatMap((subject) => {
    if (serviceOf(directory, subject) !== undefined) return [];
    const { namespace } = subject.metadata;
    const suggestion = closest(
      subject.spec.service,
      snapshot.list("Service", namespace).map(({ metadata }) => metadata.name),
    );
    const message = `namespace ${namespace} has no Service ${JSON.stringify(subject.spec.service)}`;
    const fix = suggestion === undefined ? {} : { fix: `Did you mean ${suggestion}?` };
    return [diagnosticOf({ code: "LTN1121", path: ["spec", "service"], message, ...fix }, resourceName(subject))];
  });
  const groups = Map.groupBy(snapshot.list("Release"), ({ metadata, spec }) => `${metadata.namespace}/${spec.service}`);
  const rivals = [...groups.values()].flatMap((releases) => {
    return releases.flatMap((release) => {
      const ruling = rulingRelease(release, releases);
      if (ruling === release) return [];
      const message = `Service ${release.spec.service} is ${resourceName(ruling)}'s already`;
      return [diagnosticOf({ code: "LTN1124", path: ["spec", "service"], message }, resourceName(release))];
    });
  });
  return [...unknown, ...rivals];
}

/** Versions that no pod has, named by flags' variants and by comparisons. */
export function checkReleaseVersions(directory: Directory): readonly Diagnostic[] {
  return subjects(directory).flatMap((subject) => {
    const service = serviceOf(directory, subject);
    if (service === undefined || Object.keys(service.spec.selector).length === 0) return [];
    const pods = directory.workloads.selected(service.spec.selector, subject.metadata.namespace);
    const label = subject.kind === "Release" ? subject.spec.versions.label : labelOf(directory, subject);
    const known = new Set(pods.flatMap((labels) => labels[label] ?? []));
    return namedVersions(subject)
      .filter(({ version }) => !known.has(version))
      .map(({ version, path }) => {
        const there = known.size === 0 ? "" : `; there are ${[...known].toSorted().join(", ")}`;
        const message = `Service ${subject.spec.service} has no pod with the label ${label}=${version}${there}`;
        return diagnosticOf({ code: "LTN1122", path, message }, resourceName(subject));
      });
  });
}

/** The label by which the service's Release tells versions, where it has one. */
function labelOf({ snapshot }: Directory, { metadata, spec }: FeatureFlag): string {
  return (
    snapshot.list("Release", metadata.namespace).find((release) => release.spec.service === spec.service)?.spec.versions.label ?? "version"
  );
}

interface NamedVersion {
  readonly version: string;
  readonly path: Finding["path"];
}

function namedVersions(subject: Subject): readonly NamedVersion[] {
  if (subject.kind === "FeatureFlag") {
    return Object.entries(subject.spec.variants).flatMap(([name, { version }]) =>
      version === undefined ? [] : [{ version, path: ["spec", "variants", name, "version"] }],
    );
  }
  const { variants, steps } = subject.spec;
  const of = (list: typeof variants, at: Finding["path"]) =>
    list.flatMap(({ version }, index) => (version === undefined ? [] : [{ version, path: [...at, index, "version"] }]));
  return [
    ...of(variants, ["spec", "variants"]),
    ...steps.flatMap(({ compare }, index) => of(compare?.variants ?? [], ["spec", "steps", index, "compare", "variants"])),
  ];
}

/** Steps that open a flag which isn't there, is of another service, or lacks the variant. */
export function checkReleaseFlags({ snapshot }: Directory): readonly Diagnostic[] {
  return snapshot.list("Release").flatMap((release) => {
    const { metadata, spec } = release;
    const named = [
      ...(spec.flag === undefined ? [] : [{ flag: spec.flag, path: ["spec", "flag"] }]),
      ...spec.steps.flatMap(({ flag }, index) => (flag === undefined ? [] : [{ flag, path: ["spec", "steps", index, "flag"] }])),
    ];
    return named.flatMap(({ flag, path }) => {
      const problem = flagProblem(snapshot.get("FeatureFlag", metadata.namespace, flag.name), flag.variant, spec.service);
      if (problem === undefined) return [];
      const message = problem === "missing" ? `namespace ${metadata.namespace} has no FeatureFlag ${JSON.stringify(flag.name)}` : problem;
      return [diagnosticOf({ code: "LTN1123", path, message }, resourceName(release))];
    });
  });
}

function flagProblem(flag: FeatureFlag | undefined, variant: string, service: string): string | undefined {
  if (flag === undefined) return "missing";
  if (flag.spec.service !== service) return `${resourceName(flag)} is of the service ${flag.spec.service}, not of ${service}`;
  if (!Object.hasOwn(flag.spec.variants, variant)) {
    return `${resourceName(flag)} has no variant ${JSON.stringify(variant)}, but ${Object.keys(flag.spec.variants).join(", ") || "none"}`;
  }
  if (flag.spec.variants[variant]?.version !== undefined) return undefined;
  return `the variant ${variant} of ${resourceName(flag)} names no version, so nobody reaches the new one by it`;
}

/** Flags that nobody can ask for. */
export function checkFlagKeys({ snapshot }: Directory): readonly Diagnostic[] {
  const groups = Map.groupBy(snapshot.list("FeatureFlag"), ({ metadata, spec }) => `${metadata.namespace}/${spec.key}`);
  return [...groups.values()].flatMap((flags) => {
    const [first, ...others] = flags.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    return others.map((flag) => {
      const message = `${first === undefined ? "another FeatureFlag" : resourceName(first)} has the key ${flag.spec.key} too, and is answered`;
      return diagnosticOf({ code: "LTN1128", path: ["spec", "key"], message }, resourceName(flag));
    });
  });
}

/** Users' destinations of versions that the service's release has no place for. */
export function checkSuperseded(directory: Directory): readonly Diagnostic[] {
  const { snapshot, virtualServices, rulesByHost, resolve } = directory;
  const releases = new Map(
    snapshot
      .list("Release")
      .filter(moves)
      .map((release) => [serviceHost(release.spec.service, release.metadata.namespace), release]),
  );
  if (releases.size === 0) return [];
  return virtualServices.flatMap((virtualService) =>
    [...destinationsOf(virtualService)].flatMap(({ destination: { host, subset }, path }) => {
      const fqdn = resolve(host, virtualService.metadata.namespace);
      const release = releases.get(fqdn);
      const stable = textOf(release?.status, "stable");
      if (release === undefined || subset === undefined || stable === undefined) return [];
      const labels = (rulesByHost.get(fqdn) ?? []).flatMap(({ spec }) => spec.subsets).find(({ name }) => name === subset)?.labels;
      const version = labels?.[release.spec.versions.label];
      if (version === undefined || version === stable || version === textOf(release.status, "candidate")) return [];
      const message = `subset ${JSON.stringify(subset)} is version ${version}; ${resourceName(release)} has ${stable} as stable, and these requests go by it`;
      return [diagnosticOf({ code: "LTN1125", path: [...path, "subset"], message }, nameOf("VirtualService", virtualService.metadata))];
    }),
  );
}

function textOf(status: unknown, field: "stable" | "candidate"): string | undefined {
  if (typeof status !== "object" || status === null) return undefined;
  const value: unknown = Object.getOwnPropertyDescriptor(status, field)?.value;
  return typeof value === "string" ? value : undefined;
}

/** Whether the mesh moves its traffic; a Deployment's own update needs no proxy. */
function moves({ spec }: Release): boolean {
  return !stepsOf(spec).some(({ kind }) => kind === "rollout");
}

/** Callers without a proxy, and services whose clients choose by themselves. */
export function checkSteering(directory: Directory): readonly Diagnostic[] {
  const { snapshot } = directory;
  const steering = subjects(directory).filter((subject) => subject.kind === "FeatureFlag" || moves(subject));
  return steering.flatMap((subject) => {
    const service = serviceOf(directory, subject);
    if (service === undefined) return [];
    const { clusterIP, type } = service.spec;
    if (clusterIP === "None" || type === "ExternalName") {
      const message = `Service ${service.metadata.name} is ${clusterIP === "None" ? "headless" : "of type ExternalName"}`;
      return [diagnosticOf({ code: "LTN1127", path: ["spec", "service"], message }, resourceName(subject))];
    }
    const bare = subjectsOf(snapshot).filter(
      ({ proxy, external, namespace }) => proxy === undefined && !external && namespace === subject.metadata.namespace,
    );
    if (bare.length === 0) return [];
    const names = bare.map(({ name }) => name).toSorted();
    const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
    const message = `${names.slice(0, 3).join(", ")}${more} of namespace ${subject.metadata.namespace} ${names.length > 1 ? "have" : "has"} no proxy`;
    return [diagnosticOf({ code: "LTN1126", path: ["spec", "service"], message }, resourceName(subject))];
  });
}

// A mesh made straight from YAML, for tests of model and translate: Services and pods become endpoints without any controller.

import { parseAllDocuments } from "yaml";
import type { KindName, ResourceOf } from "../../src/api/registry.ts";
import { isKindName, kinds } from "../../src/api/registry.ts";
import { resourceName } from "../../src/api/resource.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import type { Mesh, MeshProxy, MeshSettings } from "../../src/model/mesh.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import type { MeshInputs } from "../../src/model/mesh-of.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import type { TelemetrySettings } from "../../src/model/telemetry-settings.ts";
import { defaultTelemetrySettings } from "../../src/model/telemetry-settings.ts";

/** For tests whose proxies write to a file, or nothing. */
export const withoutBuiltInLog: TelemetrySettings = { ...defaultTelemetrySettings, hasBuiltInLog: false };

/** Any parsed resource of the world. */
export type WorldResource = ResourceOf<KindName>;

/** The resources of YAML documents, defaults filled in; throws when one does not fit its schema. */
export function resourcesOf(text: string): readonly WorldResource[] {
  return parseAllDocuments(text)
    .map((document): unknown => document.toJS())
    .filter((document) => document !== null)
    .map(parsed);
}

/** One resource from its object form. */
export function parsed(document: unknown): WorldResource {
  const kind = typeof document === "object" && document !== null && "kind" in document ? String(document.kind) : "";
  if (!isKindName(kind)) throw new Error(`no such kind: ${kind}`);
  return kinds[kind].schema.parse(document);
}

/** A snapshot of resources; lists keep their identity when `previous` has the same ones. */
export function snapshotOf(resources: readonly WorldResource[], revision = 1, previous?: Snapshot): Snapshot {
  const sorted = [...resources].sort((a, b) => (resourceName(a) < resourceName(b) ? -1 : 1));
  const lists = new Map<KindName, readonly WorldResource[]>();
  const ofKind = <K extends KindName>(kind: K): readonly ResourceOf<K>[] => {
    const isKind = (resource: WorldResource): resource is Extract<WorldResource, ResourceOf<K>> => resource.kind === kind;
    const list: readonly ResourceOf<K>[] = sorted.filter(isKind);
    return list;
  };
  const cache: { [K in KindName]?: readonly ResourceOf<K>[] } = {};
  return {
    revision,
    list<K extends KindName>(kind: K, namespace?: string): readonly ResourceOf<K>[] {
      const known: readonly ResourceOf<K>[] | undefined = cache[kind];
      if (known !== undefined && namespace === undefined) return known;
      const made = ofKind(kind);
      const before = previous?.list(kind);
      const same = before !== undefined && before.length === made.length && before.every((item, index) => item === made[index]);
      const list = same ? before : made;
      Object.assign(cache, { [kind]: list });
      lists.set(kind, list);
      return namespace === undefined ? list : list.filter((resource) => resource.metadata.namespace === namespace);
    },
    get: (kind, namespace, name) =>
      ofKind(kind).find((resource) => resource.metadata.name === name && (resource.metadata.namespace ?? "") === namespace),
  };
}

export interface World {
  readonly mesh: Mesh;
  /** A proxy by "<pod>.<namespace>"; throws when there is none. */
  proxy(id: string): MeshProxy;
}

/** The mesh of YAML documents. */
export function worldOf(
  text: string,
  inputs: Partial<Omit<MeshInputs, "settings">> & { readonly settings?: Partial<MeshSettings> } = {},
): World {
  const settings = { ...defaultMeshSettings, ...inputs.settings };
  const mesh = createModel().meshOf(snapshotOf(withEndpoints(resourcesOf(text))), {
    resolved: new Map(),
    settled: new Map(),
    ...inputs,
    settings,
  });
  return {
    mesh,
    proxy: (id) => {
      const found = mesh.proxies.get(id);
      if (found === undefined) throw new Error(`no proxy ${id}; there are ${[...mesh.proxies.keys()].join(", ")}`);
      return found;
    },
  };
}

/** Adds an EndpointSlice for each Service with a selector that has none: all its pods with an address, ready unless they say otherwise. */
export function withEndpoints(resources: readonly WorldResource[]): readonly WorldResource[] {
  const pods = resources.filter((resource) => resource.kind === "Pod");
  const slices = resources.flatMap((service) => {
    if (service.kind !== "Service" || Object.keys(service.spec.selector).length === 0) return [];
    const own = pods.filter(
      ({ metadata }) =>
        metadata.namespace === service.metadata.namespace &&
        Object.entries(service.spec.selector).every(([name, value]) => metadata.labels[name] === value),
    );
    return [sliceOf(service, own)];
  });
  return [...resources, ...slices];
}

function sliceOf(service: ResourceOf<"Service">, pods: readonly ResourceOf<"Pod">[]): WorldResource {
  const { name, namespace } = service.metadata;
  return parsed({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: service.spec.ports.map((port) => ({
      name: port.name,
      port: typeof port.targetPort === "number" ? port.targetPort : namedPort(pods, port.targetPort),
      protocol: port.protocol,
    })),
    endpoints: pods.flatMap(({ metadata, status }) => {
      const ready = status?.conditions.every(({ type, status: value }) => type !== "Ready" || value === "True") ?? true;
      if (status?.podIP === undefined) return [];
      return [
        {
          addresses: [status.podIP],
          conditions: { ready },
          targetRef: { kind: "Pod", name: metadata.name, namespace: metadata.namespace },
        },
      ];
    }),
  });
}

function namedPort(pods: readonly ResourceOf<"Pod">[], name: string): number | undefined {
  return pods.flatMap(({ spec }) => spec.containers.flatMap(({ ports }) => ports)).find((port) => port.name === name)?.containerPort;
}

// The EndpointSlice controller: for each Service with a selector, slices "<service>-lateen" of the pods it picks, at once when a pod changes.

import { serviceNameLabel } from "../../api/kubernetes/endpoint-slice.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Pod } from "../../api/kubernetes/pod.ts";
import { sameJson } from "../../store/json.ts";
import { acceptedOf, isKind, type JsonObject, type RawResource, type Store, type Stored, type StoreEvent } from "../../store/store.ts";
import { type Controller, keyOf, partsOf } from "./controller.ts";
import { type EndpointGroup, endpointGroups } from "./endpoint-decision.ts";
import { LabelIndex } from "./label-index.ts";
import { controllerReference } from "./objects.ts";
import type { ControllerOptions } from "./options.ts";

/** Label that says who manages a slice (discovery.k8s.io). */
const managedByLabel = "endpointslice.kubernetes.io/managed-by";
const manager = "endpoints.lateen.dev";

export function endpointSliceController({ store }: ControllerOptions): Controller {
  const pods = new LabelIndex();
  const services = new LabelIndex();
  for (const pod of store.list("Pod")) filePod(pods, pod);
  for (const service of store.list("Service")) fileService(services, service);
  return {
    name: "endpoint-slices",
    keysOf: (event) => keysOf(event, { pods, services }),
    keysAtStart: () => store.list("Service").map(keyOf),
    reconcile: (key) => {
      const { namespace, name } = partsOf(key);
      const service = store.get("Service", namespace, name);
      if (service !== undefined) reconcile(store, service, pods);
      return undefined;
    },
  };
}

interface Indexes {
  readonly pods: LabelIndex;
  readonly services: LabelIndex;
}

function filePod(pods: LabelIndex, { namespace = "", name, value }: Stored<"Pod">): void {
  pods.put(namespace, name, Object.entries(value.metadata.labels));
}

/** A selector is filed under one of its labels only: a pod it picks has that one too. */
function fileService(services: LabelIndex, { namespace = "", name, value }: Stored<"Service">): void {
  services.put(namespace, name, Object.entries(value.spec.selector).slice(0, 1));
}

function keysOf({ type, stored, previous }: StoreEvent, { pods, services }: Indexes): readonly string[] {
  const namespace = stored.namespace ?? "";
  if (isKind(stored, "Service")) {
    if (type === "DELETED") services.remove(namespace, stored.name);
    else fileService(services, stored);
    return [keyOf(stored)];
  }
  if (isKind(stored, "EndpointSlice")) {
    const service = stored.value.metadata.labels[serviceNameLabel];
    return service !== undefined && isOurs(stored) ? [`${namespace}/${service}`] : [];
  }
  if (!isKind(stored, "Pod")) return [];
  if (type === "DELETED") pods.remove(namespace, stored.name);
  else filePod(pods, stored);
  const labels = [stored.value.metadata.labels, previous?.value.metadata.labels ?? {}];
  const names = labels.flatMap((set) => [...services.withAnyOf(namespace, set)]);
  return names.map((name) => `${namespace}/${name}`);
}

function isOurs(slice: Stored): boolean {
  return slice.raw.metadata.labels?.[managedByLabel] === manager;
}

function reconcile(store: Store, service: Stored<"Service">, pods: LabelIndex): void {
  const { selector, type } = service.value.spec;
  const managed = Object.keys(selector).length > 0 && type !== "ExternalName";
  const groups = managed ? endpointGroups(service.value, podsFor(store, service, pods)) : [];
  groups.forEach((group, index) => {
    writeSlice(store, sliceFor(service, group, index));
  });
  for (const slice of store.dependentsOf(service.uid)) {
    const wanted = groups.some((_, index) => sliceName(service, index) === slice.name);
    if (slice.kind === "EndpointSlice" && isOurs(slice) && !wanted) store.delete(slice);
  }
}

function podsFor(store: Store, { namespace = "", value }: Stored<"Service">, pods: LabelIndex): readonly Pod[] {
  const { selector } = value.spec;
  return [...pods.candidates(namespace, selector)].flatMap((name) => {
    const pod = store.get("Pod", namespace, name);
    return pod !== undefined && labelsMatch(selector, pod.value.metadata.labels) ? [pod.value] : [];
  });
}

function sliceName(service: Stored, index: number): string {
  return index === 0 ? `${service.name}-lateen` : `${service.name}-lateen-${index + 1}`;
}

function sliceFor(service: Stored<"Service">, { endpoints, ports }: EndpointGroup, index: number): RawResource {
  const headless: Record<string, string> = service.value.spec.clusterIP === "None" ? { "service.kubernetes.io/headless": "" } : {};
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: sliceName(service, index),
      namespace: service.namespace,
      labels: { ...service.value.metadata.labels, ...headless, [serviceNameLabel]: service.name, [managedByLabel]: manager },
      ownerReferences: [controllerReference(service)],
    },
    addressType: "IPv4",
    endpoints,
    ports,
  };
}

function writeSlice(store: Store, slice: RawResource): void {
  const before = store.get("EndpointSlice", slice.metadata.namespace, slice.metadata.name ?? "");
  if (before === undefined) acceptedOf(store.create(slice));
  // The same content is not even parsed: a thousand services look again whenever anything of theirs moves.
  else if (!sameJson(content(before.raw), content(slice))) acceptedOf(store.update(slice));
}

function content(slice: RawResource): JsonObject {
  const { labels, ownerReferences } = slice.metadata;
  return { labels, ownerReferences, endpoints: slice["endpoints"], ports: slice["ports"], addressType: slice["addressType"] };
}

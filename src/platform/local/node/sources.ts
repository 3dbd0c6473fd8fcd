// Fetches the ConfigMaps and Secrets that a pod's spec names, so that the pure parts can look them up.

import { type ConfigMap, configMapSchema } from "../../../api/kubernetes/config-map.ts";
import type { Pod } from "../../../api/kubernetes/pod.ts";
import { type Secret, secretSchema } from "../../../api/kubernetes/secret.ts";
import { NotFound } from "../../../lib/errors.ts";
import type { PodSources } from "./environment.ts";
import type { NodeApi, NodeObject } from "./node-api.ts";

/** Reads everything the pod names, each object once; what doesn't exist is undefined. @throws Unavailable when the API is away. */
export async function fetchSources(pod: Pod, api: NodeApi): Promise<PodSources> {
  const { configMaps, secrets } = namesOf(pod);
  const namespace = pod.metadata.namespace ?? "default";
  const read = (kind: "ConfigMap" | "Secret") => async (name: string) => [name, await getOrNone(api, { kind, namespace, name })] as const;
  const [foundMaps, foundSecrets] = await Promise.all([
    Promise.all([...configMaps].map(read("ConfigMap"))),
    Promise.all([...secrets].map(read("Secret"))),
  ]);
  const mapsByName = new Map<string, ConfigMap>();
  for (const [name, raw] of foundMaps) if (raw !== undefined) mapsByName.set(name, configMapSchema.parse(raw));
  const secretsByName = new Map<string, Secret>();
  for (const [name, raw] of foundSecrets) if (raw !== undefined) secretsByName.set(name, secretSchema.parse(raw));
  return { configMap: (name) => mapsByName.get(name), secret: (name) => secretsByName.get(name) };
}

async function getOrNone(api: NodeApi, ref: Parameters<NodeApi["get"]>[0]): Promise<NodeObject | undefined> {
  try {
    return await api.get(ref);
  } catch (error) {
    if (error instanceof NotFound) return undefined;
    throw error;
  }
}

function namesOf(pod: Pod): { readonly configMaps: ReadonlySet<string>; readonly secrets: ReadonlySet<string> } {
  const containers = [...pod.spec.initContainers, ...pod.spec.containers];
  const env = containers.flatMap((container) => container.env.map((entry) => entry.valueFrom));
  const envFrom = containers.flatMap((container) => container.envFrom);
  const configMaps = [
    ...env.map((source) => source?.configMapKeyRef?.name),
    ...envFrom.map((source) => source.configMapRef?.name),
    ...pod.spec.volumes.map((volume) => volume.configMap?.name),
  ];
  const secrets = [
    ...env.map((source) => source?.secretKeyRef?.name),
    ...envFrom.map((source) => source.secretRef?.name),
    ...pod.spec.volumes.map((volume) => volume.secret?.secretName),
  ];
  const named = (names: readonly (string | undefined)[]) => new Set(names.filter((name) => name !== undefined));
  return { configMaps: named(configMaps), secrets: named(secrets) };
}

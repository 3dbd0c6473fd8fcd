// Which ConfigMaps and Secrets the templates of versions use, each with a hash of its content. Pure; objects are hashed once.

import type { Container } from "../../api/kubernetes/container.ts";
import type { PodSpec } from "../../api/kubernetes/pod.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { contentHash } from "../../lib/hash.ts";

/** "ConfigMap shop-settings" or "Secret shop-keys" → hash, of those that exist. */
export function configsOf(specs: readonly PodSpec[], namespace: string, snapshot: Snapshot): Readonly<Record<string, string>> {
  const used = new Set(specs.flatMap(namesIn));
  return Object.fromEntries(
    [...used].toSorted().flatMap((reference): readonly (readonly [string, string])[] => {
      const [kind, name = ""] = reference.split(" ");
      const object = kind === "Secret" ? snapshot.get("Secret", namespace, name) : snapshot.get("ConfigMap", namespace, name);
      return object === undefined ? [] : [[reference, hashOf(object)]];
    }),
  );
}

function namesIn({ containers, initContainers, volumes }: PodSpec): readonly string[] {
  const mounted = volumes.flatMap(({ configMap, secret }) => [
    ...named("ConfigMap", configMap?.name),
    ...named("Secret", secret?.secretName),
  ]);
  return [...mounted, ...[...initContainers, ...containers].flatMap(namesInContainer)];
}

function namesInContainer({ env, envFrom }: Container): readonly string[] {
  return [
    ...env.flatMap(({ valueFrom }) => [
      ...named("ConfigMap", valueFrom?.configMapKeyRef?.name),
      ...named("Secret", valueFrom?.secretKeyRef?.name),
    ]),
    ...envFrom.flatMap(({ configMapRef, secretRef }) => [...named("ConfigMap", configMapRef?.name), ...named("Secret", secretRef?.name)]),
  ];
}

function named(kind: string, name: string | undefined): readonly string[] {
  return name === undefined || name === "" ? [] : [`${kind} ${name}`];
}

interface Content {
  readonly metadata: { readonly uid?: string | undefined };
  readonly data: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

const known = new WeakMap<Content, string>();

/** Salted with the object's uid: the status shows it, and a Secret's content must not be guessed from it by looking it up. */
function hashOf(object: Content): string {
  const before = known.get(object);
  if (before !== undefined) return before;
  const { metadata, data, stringData = {}, binaryData = {} } = object;
  const parts = [data, stringData, binaryData].map((part) => Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const hash = contentHash(`${metadata.uid ?? ""} ${JSON.stringify(parts)}`).slice(0, 16);
  known.set(object, hash);
  return hash;
}

// A container's argument vector and environment, from its spec, its image's process and the ConfigMaps and Secrets it names. Pure.

import type { ConfigMap } from "../../../api/kubernetes/config-map.ts";
import type { Container, EnvVar, Pod } from "../../../api/kubernetes/pod.ts";
import type { Secret } from "../../../api/kubernetes/secret.ts";
import { UserError } from "../../../lib/errors.ts";
import { fabricAddress } from "../addresses.ts";
import { flagPort, otlpPorts } from "../capture.ts";
import type { ImageProcess } from "../lateen-yaml.ts";

/** Looks up what the pod's spec names; undefined when it does not exist. */
export interface PodSources {
  readonly configMap: (name: string) => ConfigMap | undefined;
  readonly secret: (name: string) => Secret | undefined;
}

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: ImageProcess;
  readonly sources: PodSources;
  /** The pod's address, for fieldRef status.podIP. */
  readonly podIp: string;
}

/**
 * The environment of a container: the image's, then envFrom in order, then env in order, with `$(VAR)` expanded as Kubernetes does.
 *
 * @throws UserError when a ConfigMap, Secret or key that is not optional does not exist.
 */
export function environmentOf(input: EnvironmentInput): Readonly<Record<string, string>> {
  const env = new Map<string, string>(Object.entries(input.image.env));
  for (const source of input.container.envFrom) addEnvFrom(env, source, input.sources);
  for (const entry of input.container.env) {
    const value = entry.value === undefined ? valueFrom(entry, input) : expandVariables(entry.value, env);
    if (value !== undefined) env.set(entry.name, value);
  }
  return Object.fromEntries(env);
}

/** The address at which pods' spans are taken; the node's own, which status.hostIP names as well (OpenTelemetry's way to a collector on the node). */
const spanCollector = `http://${fabricAddress}:${otlpPorts[1]}`;

/**
 * The environment with OpenTelemetry's variable for where spans go, unless it names a place of its own: all SDKs read it, and either port takes
 * gRPC as well as HTTP, so that it holds whichever of the two an SDK prefers.
 */
export function withSpanCollector(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const names = Object.keys(env).some((name) => /^OTEL_EXPORTER_OTLP_([A-Z]+_)?ENDPOINT$/.test(name));
  return names ? env : { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: spanCollector };
}

/** The environment with the place where feature flags are answered, unless it names one: the variable that OFREP's SDKs read (protocol, service/adrs/0007). */
export function withFlagServer(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { OFREP_ENDPOINT: `http://${fabricAddress}:${flagPort}`, ...env };
}

/** Command and arguments: `command` replaces the image's process, `args` follow it; `$(VAR)` is expanded. */
export function argvOf(container: Container, image: ImageProcess, env: Readonly<Record<string, string>>): readonly string[] {
  const variables = new Map(Object.entries(env));
  const command = container.command.length > 0 ? container.command : image.command;
  return [...command, ...container.args].map((word) => expandVariables(word, variables));
}

/** Replaces `$(NAME)` of known variables; `$$(NAME)` stands for a literal `$(NAME)`; unknown ones stay as they are (Kubernetes' rule). */
export function expandVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, name: string | undefined) => {
    if (whole === "$$") return "$";
    return variables.get(name ?? "") ?? whole;
  });
}

type EnvFrom = Container["envFrom"][number];

function addEnvFrom(env: Map<string, string>, source: EnvFrom, sources: PodSources): void {
  const data = source.configMapRef !== undefined ? configMapData(source.configMapRef, sources) : secretData(source.secretRef, sources);
  for (const [key, value] of Object.entries(data)) env.set(`${source.prefix ?? ""}${key}`, value);
}

interface NamedSource {
  readonly name?: string | undefined;
  readonly optional?: boolean | undefined;
}

function configMapData(reference: NamedSource, sources: PodSources): Readonly<Record<string, string>> {
  const configMap = sources.configMap(reference.name ?? "");
  if (configMap === undefined && reference.optional !== true) throw missing("ConfigMap", reference.name);
  return configMap?.data ?? {};
}

function secretData(reference: NamedSource | undefined, sources: PodSources): Readonly<Record<string, string>> {
  if (reference === undefined) return {};
  const secret = sources.secret(reference.name ?? "");
  if (secret === undefined && reference.optional !== true) throw missing("Secret", reference.name);
  return secret === undefined ? {} : secretTexts(secret);
}

/** A Secret's values as text; `data` is base64, `stringData` wins as in Kubernetes. */
export function secretTexts(secret: Secret): Readonly<Record<string, string>> {
  const decoded = Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")] as const);
  return Object.fromEntries([...decoded, ...Object.entries(secret.stringData ?? {})]);
}

function valueFrom(entry: EnvVar, input: EnvironmentInput): string | undefined {
  const source = entry.valueFrom;
  if (source === undefined) return "";
  if (source.configMapKeyRef !== undefined)
    return keyOf("ConfigMap", source.configMapKeyRef, configMapOrNone(source.configMapKeyRef, input));
  if (source.secretKeyRef !== undefined) return keyOf("Secret", source.secretKeyRef, secretOrNone(source.secretKeyRef, input));
  if (source.fieldRef !== undefined) return fieldOf(source.fieldRef.fieldPath, input);
  return "";
}

function configMapOrNone(reference: NamedSource, input: EnvironmentInput): Readonly<Record<string, string>> | undefined {
  return input.sources.configMap(reference.name ?? "")?.data;
}

function secretOrNone(reference: NamedSource, input: EnvironmentInput): Readonly<Record<string, string>> | undefined {
  const secret = input.sources.secret(reference.name ?? "");
  return secret === undefined ? undefined : secretTexts(secret);
}

function keyOf(
  kind: string,
  reference: NamedSource & { readonly key: string },
  data: Readonly<Record<string, string>> | undefined,
): string | undefined {
  if (data !== undefined && Object.hasOwn(data, reference.key)) return data[reference.key];
  if (reference.optional === true) return undefined;
  if (data === undefined) throw missing(kind, reference.name);
  throw new UserError(`${kind} ${reference.name} has no key "${reference.key}"`, {
    fix: `add the key, or set optional: true; it has ${Object.keys(data).join(", ") || "none"}`,
  });
}

function missing(kind: string, name: string | undefined): UserError {
  return new UserError(`${kind} "${name ?? ""}" does not exist`, {
    fix: `apply the ${kind} in the pod's namespace; the container starts then`,
  });
}

function fieldOf(path: string, { pod, podIp }: EnvironmentInput): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed !== null) return (keyed[1] === "labels" ? pod.metadata.labels : pod.metadata.annotations)[keyed[2] ?? ""] ?? "";
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": pod.metadata.name,
    "metadata.namespace": pod.metadata.namespace ?? "default",
    "metadata.uid": pod.metadata.uid,
    "spec.nodeName": "local",
    "spec.serviceAccountName": pod.spec.serviceAccountName,
    "status.hostIP": "198.18.0.1",
    "status.podIP": podIp,
    "status.podIPs": podIp,
  };
  const value = fields[path];
  if (value !== undefined) return value;
  throw new UserError(`fieldRef ${path} is not known`, { fix: `use one of ${Object.keys(fields).join(", ")}` });
}

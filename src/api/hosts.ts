// Host names as Istio reads them: short, namespaced, fully qualified, wildcard. Pure text; nothing here looks anything up.

/** The cluster's domain (Kubernetes' and Istio's default). */
export const clusterDomain = "cluster.local";

/** Fully qualified name of a Service. */
export function serviceHost(name: string, namespace: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/** Every name under which pods of `fromNamespace` may address a Service, longest first. */
export function serviceAliases(name: string, namespace: string, fromNamespace: string): readonly string[] {
  const long = [serviceHost(name, namespace), `${name}.${namespace}.svc`, `${name}.${namespace}`];
  return namespace === fromNamespace ? [...long, name] : long;
}

/** True for "*" and "*.suffix". */
export function isWildcard(host: string): boolean {
  return host.startsWith("*");
}

/**
 * Resolves a host of a resource in `namespace` to a fully qualified one. A name without dots is a Service of that namespace (Istio's
 * ResolveShortnameToFQDN); `name.namespace` and `name.namespace.svc` are Services when `exists` knows them, as in the cluster's DNS;
 * everything else is taken as it stands. The result is lower-case.
 */
export function resolveHost(host: string, namespace: string, exists: (fqdn: string) => boolean = () => false): string {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (isWildcard(name) || name === "") return name;
  const labels = name.split(".");
  const [first = "", second = ""] = labels;
  if (labels.length === 1) return serviceHost(first, namespace);
  if (labels.length === 3 && labels[2] === "svc") return serviceHost(first, second);
  if (labels.length === 2 && !exists(name) && exists(serviceHost(first, second))) return serviceHost(first, second);
  return name;
}

/** True when `host`, concrete or itself a wildcard, lies wholly within `pattern`: "*.a.b" covers "x.a.b", "x.y.a.b", "*.x.a.b", not "a.b". */
export function hostMatches(pattern: string, host: string): boolean {
  const [wide, narrow] = [pattern.toLowerCase(), host.toLowerCase()];
  if (wide === narrow || wide === "*") return true;
  if (!isWildcard(wide)) return false;
  const suffix = wide.slice(1);
  return narrow.endsWith(suffix) && narrow.length > suffix.length;
}

/** True when some host lies within both. */
export function hostsOverlap(a: string, b: string): boolean {
  return hostMatches(a, b) || hostMatches(b, a);
}

/** Sorts the most specific first, as Envoy prefers them: exact names, then longer wildcards, then "*"; by name among equals. */
export function compareSpecificity(a: string, b: string): number {
  if (isWildcard(a) !== isWildcard(b)) return isWildcard(a) ? 1 : -1;
  if (isWildcard(a) && a.length !== b.length) return b.length - a.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The most specific of `patterns` that covers `host`. */
export function mostSpecificMatch(patterns: readonly string[], host: string): string | undefined {
  return patterns.filter((pattern) => hostMatches(pattern, host)).toSorted(compareSpecificity)[0];
}

/** A reference such as a VirtualService's gateway: "name" or "namespace/name". */
export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}

/** Splits "name" or "namespace/name"; a bare name is in `ownNamespace`, and so is "./name". */
export function namespacedName(reference: string, ownNamespace: string): NamespacedName {
  const slash = reference.indexOf("/");
  if (slash < 0) return { namespace: ownNamespace, name: reference };
  const namespace = reference.slice(0, slash);
  return { namespace: namespace === "." ? ownNamespace : namespace, name: reference.slice(slash + 1) };
}

/** Splits a Gateway server's host: "host" (namespace "*"), "namespace/host", "./host". */
export function gatewayHost(host: string, gatewayNamespace: string): { readonly namespace: string; readonly host: string } {
  const { namespace, name } = namespacedName(host, gatewayNamespace);
  return { namespace: host.includes("/") ? namespace : "*", host: name };
}

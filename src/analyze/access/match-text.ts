// The notation of AuthorizationPolicy values, evaluated: "*", "a*", "*a", "a", hosts, path templates, SPIFFE ids.

/** Whether a text is as a value says; "*" asks for a text that is not empty. */
export function textMatches(value: string, text: string): boolean {
  if (value === "*") return text !== "";
  if (value.startsWith("*")) return text.endsWith(value.slice(1));
  if (value.endsWith("*")) return text.startsWith(value.slice(0, -1));
  return text === value;
}

/** A host of any case; a value without a port takes any port and a final dot. */
export function hostMatches(value: string, authority: string): boolean {
  const [wanted, given] = [value.toLowerCase(), authority.toLowerCase()];
  if (/:(?:\d+|\*)$/.test(wanted) || wanted.endsWith("*")) return textMatches(wanted, given);
  const withoutPort = given.replace(/:\d*$/, "");
  return [given, withoutPort, withoutPort.replace(/\.$/, "")].some((host) => textMatches(wanted, host));
}

/** A path template: segment by segment, {**} takes what is left. */
export function templateMatches(template: string, path: string): boolean {
  return segmentsMatch(template.split("/"), path.split("/"));
}

function segmentsMatch(wanted: readonly string[], given: readonly string[]): boolean {
  const [first, ...rest] = wanted;
  if (first === undefined) return given.length === 0;
  if (first === "{**}") return given.length > 0 && suffixesOf(given).some((suffix) => segmentsMatch(rest, suffix));
  const [segment, ...others] = given;
  if (segment === undefined) return false;
  return (first === "{*}" ? segment !== "" : segment === first) && segmentsMatch(rest, others);
}

/** What may follow {**} once it has taken one segment or more; it may take none but the empty one. */
function suffixesOf(given: readonly string[]): readonly (readonly string[])[] {
  return given.map((_, index) => given.slice(index + 1));
}

/** The parts of "spiffe://td/ns/a/sa/b"; undefined for any other text. */
export interface PeerIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Reads a workload's identity. */
export function identityOf(uri: string): PeerIdentity | undefined {
  const [scheme, empty, trustDomain = "", ns, namespace = "", sa, serviceAccount = "", ...more] = uri.split("/");
  const isWorkload = scheme === "spiffe:" && empty === "" && ns === "ns" && sa === "sa" && more.length === 0;
  return isWorkload && trustDomain !== "" && serviceAccount !== "" ? { trustDomain, namespace, serviceAccount } : undefined;
}

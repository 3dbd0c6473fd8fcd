// What a proxy says of a series: few tags, each of several parts joined by ";", and on requests' series all of them in one, since Envoy makes every tag
// anew for each metric of each request. This file joins and splits them; expand-tags.ts makes Istio's labels of the parts.

/** Names of the tags. Several parts each, in this order; parts at the end may be missing. */
export const compositeTags = {
  /** reporter;request_protocol;mirrored — literals of the filter chain or route, and "1" for a copy. */
  traffic: "traffic",
  /** workload;namespace;canonical name;canonical revision;cluster;app;version — or, at a server, the client certificate's name. */
  source: "source",
  /** As `source`; a client's proxy reads it of the endpoint, of requests in one text with the service (`joinTarget`). */
  destination: "destination",
  /** host;name;namespace;port of the service. */
  service: "service",
  /** response code;response flags;gRPC status. */
  response: "response",
  /** connection security policy;own principal;the peer's principal. */
  security: "security",
} as const;

export type CompositeTag = keyof typeof compositeTags;

/** The tags of one series, as they come from a proxy; any may be missing. */
export type CompositeTags = Readonly<Partial<Record<CompositeTag, string>>>;

/** The tag that has all others in it, on the series of requests. */
export const joinedTag = "tags";

/** Their order. What comes from a peer's certificate stands last, so that nothing in it can move what others say. */
const joinedTags = ["traffic", "service", "response", "destination", "source", "security"] as const satisfies readonly CompositeTag[];
/** Nothing that `joinParts` made has it: a "~" is followed by two digits there. */
const tagSeparator = "~;";

/** Between a service and the workload that serves it, where a proxy says both in the place of the service. Not in what `joinParts` made either. */
const targetSeparator = "~,";

/** Both in one text, for metadata of endpoints: the values of the tags `service` and `destination`. */
export function joinTarget({ service, workload }: { readonly service: string; readonly workload: string }): string {
  return `${service}${targetSeparator}${workload}`;
}

/** Tags' values, or formats of them, in one. */
export function joinTags(tags: CompositeTags): string {
  return joinedTags.map((tag) => tags[tag] ?? "").join(tagSeparator);
}

const tagNames: readonly CompositeTag[] = Object.values(compositeTags);

/** The tags among a series' labels: each by itself, or all in one. */
export function tagsOf(labels: Readonly<Record<string, string>>): CompositeTags {
  const joined = Object.hasOwn(labels, joinedTag) ? labels[joinedTag] : undefined;
  return splitTarget(joined === undefined ? ownTags(labels) : splitTags(joined));
}

function ownTags(labels: Readonly<Record<string, string>>): CompositeTags {
  return Object.fromEntries(tagNames.flatMap((tag) => (Object.hasOwn(labels, tag) ? [[tag, labels[tag]]] : [])));
}

function splitTarget(tags: CompositeTags): CompositeTags {
  const [service, destination] = tags.service?.split(targetSeparator) ?? [];
  return service === undefined || destination === undefined ? tags : { ...tags, service, destination };
}

/** The tags in a value of `joinedTag`. */
function splitTags(joined: string): CompositeTags {
  const values = joined.split(tagSeparator);
  const last = joinedTags.length - 1;
  const all = [...values.slice(0, last), values.slice(last).join(tagSeparator)];
  return Object.fromEntries(joinedTags.flatMap((tag, index) => (all[index] ? [[tag, all[index]]] : [])));
}

const separator = ";";
/** "~" itself, the separator, "%" (it begins a command in Envoy's format strings) and control characters are written "~xx". */
const escaped = /[~;%\p{Cc}]/gu;

/** Joins parts to a tag's value that is also safe as a literal in Envoy's format strings; empty parts at the end are left out. */
export function joinParts(parts: readonly string[]): string {
  const last = parts.findLastIndex((part) => part !== "");
  return parts
    .slice(0, last + 1)
    .map((part) => part.replace(escaped, escapedCharacter))
    .join(separator);
}

function escapedCharacter(character: string): string {
  // Control characters end at U+009F: two digits are enough.
  return `~${(character.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`;
}

/**
 * Splits at most `count` parts. The last keeps further separators: what comes from a peer (a URI SAN) stands last, so that a ";" in it can't move the
 * parts of others.
 */
export function splitParts(value: string, count: number): readonly string[] {
  const parts = value.split(separator);
  const whole = parts.length <= count ? parts : [...parts.slice(0, count - 1), parts.slice(count - 1).join(separator)];
  return whole.map((part) => part.replace(/~([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))));
}

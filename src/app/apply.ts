// Applies parsed manifests through the API and waits until every proxy concerned has acknowledged them.

import type { Diagnostic } from "../api/diagnostic.ts";
import type { ParsedResource } from "../api/parse.ts";
import { resourceName } from "../api/resource.ts";
import type { ApiClient, ApplyReply } from "../http/client-types.ts";
import type { AcknowledgedReply } from "../http/contract.ts";
import { MeshError } from "../lib/errors.ts";
import { isRawResource } from "../store/json.ts";
import type { RawResource } from "../store/store.ts";

export interface AppliedResource {
  /** "virtualservice.networking.istio.io/web". */
  readonly name: string;
  readonly outcome: "created" | "configured" | "unchanged" | "refused";
  /** Why it was refused, and what to do. */
  readonly error: { readonly message: string; readonly fix: string | undefined } | undefined;
}

export interface ApplyResult {
  readonly resources: readonly AppliedResource[];
  /** The store's revision after the last change; 0 when nothing changed. */
  readonly revision: number;
}

/** Applies all together; a refused object doesn't stop the others. @throws Unavailable when the control plane can't be reached. */
export async function applyResources(client: ApiClient, resources: readonly ParsedResource[]): Promise<ApplyResult> {
  const replies = await client.applyAll(resources.map(rawOf));
  const revisions = replies.map((reply) =>
    reply instanceof MeshError || !reply.changed ? 0 : Number(reply.object.metadata.resourceVersion ?? 0),
  );
  return {
    resources: resources.map((resource, index) => appliedOf(resource, replies[index])),
    revision: Math.max(0, ...revisions),
  };
}

function appliedOf(resource: ParsedResource, reply: ApplyReply | MeshError | undefined): AppliedResource {
  const name = kubectlName(resource);
  if (reply === undefined || reply instanceof MeshError) {
    const message = `${resourceName(resource.value)}: ${reply?.message ?? "the control plane gave no answer"}`;
    return { name, outcome: "refused", error: { message, fix: reply?.fix } };
  }
  const { created, changed } = reply;
  return { name, outcome: created ? "created" : changed ? "configured" : "unchanged", error: undefined };
}

/** What the control plane finds wrong between all objects, as far as it concerns these, with its place in their files. */
export function findingsAbout(resources: readonly ParsedResource[], findings: readonly Diagnostic[]): readonly Diagnostic[] {
  const byName = new Map(resources.map((resource) => [resourceName(resource.value), resource]));
  return findings.flatMap((finding) => {
    const resource = byName.get(finding.resource);
    if (resource === undefined) return [];
    return [resource.locate === undefined ? finding : { ...finding, position: resource.locate(finding.path) }];
  });
}

/** kubectl's name of an object: kind, group and name in lower case. */
export function kubectlName({ kind, value }: Pick<ParsedResource, "kind" | "value">): string {
  const group = value.apiVersion.includes("/") ? `.${value.apiVersion.split("/")[0]}` : "";
  return `${kind.toLowerCase()}${group}/${value.metadata.name}`;
}

function rawOf({ raw, value }: ParsedResource): RawResource {
  if (isRawResource(raw)) return raw;
  throw new MeshError("internal", `${resourceName(value)} lost its kind or name`);
}

/** The reply as far as it is about these objects: what proxies refuse of others is not this apply's failure. */
export function replyAbout(resources: readonly ParsedResource[], reply: AcknowledgedReply): AcknowledgedReply {
  const names = new Set(resources.map(({ value }) => resourceName(value)));
  // Without a source it can't be told from whose object it came.
  const rejected = reply.rejected.filter(({ resource: { sources } }) => sources.length === 0 || sources.some((name) => names.has(name)));
  const without = new Set([...reply.waitingFor, ...rejected.map(({ proxy }) => proxy)]);
  return { ...reply, rejected, done: reply.total - without.size };
}

/** "12 of 12 proxies acknowledged in 8 ms", or who has not and why. */
export function acknowledgementLines(reply: AcknowledgedReply, elapsedMs: number): readonly string[] {
  const { done, total, waitingFor, rejected } = reply;
  if (total === 0) return ["no proxy is concerned"];
  const head = `${done} of ${total} proxies acknowledged${reply.acknowledged ? ` in ${Math.round(elapsedMs)} ms` : ""}`;
  return [
    head,
    ...rejected.map(
      ({ proxy, resource }) =>
        `${proxy} ${resource.behind === undefined ? "refused" : "does not get"} ${resource.type} ${resource.name} (from ${resource.sources.join(", ") || "unknown"}): ${resource.reason}`,
    ),
    ...(waitingFor.length === 0 ? [] : [`not acknowledged by: ${waitingFor.join(", ")}`]),
  ];
}

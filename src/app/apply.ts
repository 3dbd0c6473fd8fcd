// Applies parsed manifests through the API and waits until every proxy concerned has acknowledged them.

import type { ParsedResource } from "../api/parse.ts";
import { resourceName } from "../api/resource.ts";
import type { ApiClient } from "../http/client-types.ts";
import type { AcknowledgedReply } from "../http/contract.ts";
import { MeshError } from "../lib/errors.ts";
import { isRawResource } from "../store/json.ts";
import type { RawResource } from "../store/store.ts";

export interface AppliedResource {
  /** "virtualservice.networking.istio.io/web". */
  readonly name: string;
  readonly outcome: "created" | "configured" | "unchanged" | "refused";
  readonly warnings: readonly string[];
  /** Why it was refused, and what to do. */
  readonly error: { readonly message: string; readonly fix: string | undefined } | undefined;
}

export interface ApplyResult {
  readonly resources: readonly AppliedResource[];
  /** The store's revision after the last change; 0 when nothing changed. */
  readonly revision: number;
}

/** Applies one after another; a refused object doesn't stop the others. @throws Unavailable when the control plane can't be reached. */
export async function applyResources(client: ApiClient, resources: readonly ParsedResource[]): Promise<ApplyResult> {
  const applied: AppliedResource[] = [];
  let revision = 0;
  for (const resource of resources) {
    const name = kubectlName(resource);
    try {
      const { created, changed, warnings, object } = await client.apply(rawOf(resource));
      const written = Number(object.metadata.resourceVersion ?? 0);
      if (changed) revision = Math.max(revision, written);
      applied.push({ name, outcome: created ? "created" : changed ? "configured" : "unchanged", warnings, error: undefined });
    } catch (error) {
      const meshError = MeshError.from(error);
      if (meshError.code === "unavailable") throw meshError;
      applied.push({
        name,
        outcome: "refused",
        warnings: [],
        error: { message: `${resourceName(resource.value)}: ${meshError.message}`, fix: meshError.fix },
      });
    }
  }
  return { resources: applied, revision };
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

/** "12 of 12 proxies acknowledged in 8 ms", or who has not and why. */
export function acknowledgementLines(reply: AcknowledgedReply, elapsedMs: number): readonly string[] {
  const { done, total, waitingFor, rejected } = reply;
  if (total === 0) return ["no proxy is concerned"];
  const head = `${done} of ${total} proxies acknowledged${reply.acknowledged ? ` in ${Math.round(elapsedMs)} ms` : ""}`;
  return [
    head,
    ...rejected.map(
      ({ proxy, resource }) =>
        `${proxy} refused ${resource.type} ${resource.name} (from ${resource.sources.join(", ") || "unknown"}): ${resource.reason}`,
    ),
    ...(waitingFor.length === 0 ? [] : [`not acknowledged by: ${waitingFor.join(", ")}`]),
  ];
}

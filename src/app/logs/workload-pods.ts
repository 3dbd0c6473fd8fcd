// "deployment/web", "service/web" or a label selector -> the pods it means, asked of the API.

import { deploymentSchema } from "../../api/kubernetes/deployment.ts";
import { podSchema } from "../../api/kubernetes/pod.ts";
import { serviceSchema } from "../../api/kubernetes/service.ts";
import type { ApiClient } from "../../http/client-types.ts";
import { MeshError, NotFound, UserError } from "../../lib/errors.ts";

export type PodsNamed =
  | { readonly kind: "Deployment" | "Service"; readonly name: string }
  | { readonly kind: "selector"; readonly selector: string };

const kinds: Readonly<Record<string, "pod" | "Deployment" | "Service">> = {
  pod: "pod",
  pods: "pod",
  po: "pod",
  deployment: "Deployment",
  deployments: "Deployment",
  deploy: "Deployment",
  "deployment.apps": "Deployment",
  service: "Service",
  services: "Service",
  svc: "Service",
};

/** Reads "web-v1-x", "pod/web-v1-x", "deployment/web" or "service/web". @throws UserError for another kind. */
export function parseLogTarget(text: string): { readonly kind: "pod" | "Deployment" | "Service"; readonly name: string } {
  const slash = text.indexOf("/");
  if (slash < 0) return { kind: "pod", name: text };
  const word = text.slice(0, slash).toLowerCase();
  const kind = Object.hasOwn(kinds, word) ? kinds[word] : undefined;
  if (kind !== undefined) return { kind, name: text.slice(slash + 1) };
  throw new UserError(`logs of a ${word} are not known`, { fix: "name a pod, deployment/<name> or service/<name>, or use -l <selector>" });
}

/** Names of the pods, ready or not, sorted. @throws NotFound when there is no such object, with the others of the namespace. */
export async function podNamesOf(client: ApiClient, namespace: string, named: PodsNamed): Promise<readonly string[]> {
  const labelSelector = named.kind === "selector" ? named.selector : await selectorOf(client, namespace, named);
  const { items } = await client.list("Pod", { namespace, labelSelector });
  return items.flatMap((item) => podSchema.safeParse(item).data?.metadata.name ?? []).toSorted();
}

/** What `podNamesOf` is asked for, for people: "deployment shop/web". */
export function namedText(named: PodsNamed, namespace: string): string {
  return named.kind === "selector"
    ? `selector ${named.selector} in namespace ${namespace}`
    : `${named.kind.toLowerCase()} ${namespace}/${named.name}`;
}

async function selectorOf(client: ApiClient, namespace: string, named: Exclude<PodsNamed, { kind: "selector" }>): Promise<string> {
  const { kind, name } = named;
  const what = namedText(named, namespace);
  try {
    const raw = await client.get({ kind, namespace, name });
    const labels = kind === "Deployment" ? deploymentSchema.parse(raw).spec.selector.matchLabels : serviceSchema.parse(raw).spec.selector;
    const pairs = Object.entries(labels ?? {}).map(([label, value]) => `${label}=${value}`);
    if (pairs.length === 0) throw new UserError(`${what} selects no pods`, { fix: "name a pod or a deployment" });
    return pairs.join(",");
  } catch (error) {
    if (MeshError.from(error).code !== "not_found") throw error;
    throw new NotFound(`there is no ${what}`, { cause: error, fix: await othersOf(client, namespace, { kind, name }) });
  }
}

async function othersOf(
  client: ApiClient,
  namespace: string,
  { kind, name }: { readonly kind: "Deployment" | "Service"; readonly name: string },
): Promise<string> {
  const word = kind.toLowerCase();
  const { items } = await client.list(kind);
  const elsewhere = items.filter(({ metadata }) => metadata.name === name).map(({ metadata }) => metadata.namespace);
  if (elsewhere.length === 1) return `it is in another namespace: add -n ${elsewhere[0]}`;
  const here = items.filter(({ metadata }) => metadata.namespace === namespace).map(({ metadata }) => metadata.name);
  return here.length > 0 ? `${word}s of namespace ${namespace}: ${here.join(", ")}` : `namespace ${namespace} has no ${word}`;
}

// "deployment/web" -> one of its pods, as kubectl chooses: through the API, the newest ready one.

import { deploymentSchema } from "../../api/kubernetes/deployment.ts";
import { podSchema } from "../../api/kubernetes/pod.ts";
import type { ApiClient } from "../../http/client-types.ts";
import { MeshError, NotFound } from "../../lib/errors.ts";

export interface DeploymentPods {
  readonly chosen: string;
  readonly count: number;
}

/** @throws NotFound when there is no such Deployment, with the others of the namespace; or when it has no pod. */
export async function podOfDeployment(client: ApiClient, namespace: string, name: string): Promise<DeploymentPods> {
  const { labels } = await selectorOf(client, namespace, name);
  const { items } = await client.list("Pod", { namespace, labelSelector: labels });
  const pods = items.flatMap((item) => podSchema.safeParse(item).data ?? []);
  const isReady = ({ status }: (typeof pods)[number]) =>
    status?.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
  const newestFirst = pods.toSorted((a, b) => (a.metadata.creationTimestamp > b.metadata.creationTimestamp ? -1 : 1));
  const chosen = newestFirst.find(isReady) ?? newestFirst[0];
  if (chosen === undefined) throw new NotFound(`deployment ${namespace}/${name} has no pod`, { fix: "see `lateen status`" });
  return { chosen: chosen.metadata.name, count: pods.length };
}

async function selectorOf(client: ApiClient, namespace: string, name: string): Promise<{ readonly labels: string }> {
  try {
    const deployment = deploymentSchema.parse(await client.get({ kind: "Deployment", namespace, name }));
    const labels = Object.entries(deployment.spec.selector.matchLabels).map(([key, value]) => `${key}=${value}`);
    return { labels: labels.join(",") };
  } catch (error) {
    if (MeshError.from(error).code !== "not_found") throw error;
    throw new NotFound(`there is no deployment ${namespace}/${name}`, { cause: error, fix: await othersOf(client, namespace, name) });
  }
}

async function othersOf(client: ApiClient, namespace: string, name: string): Promise<string> {
  const { items } = await client.list("Deployment");
  const elsewhere = items.filter(({ metadata }) => metadata.name === name).map(({ metadata }) => metadata.namespace);
  if (elsewhere.length === 1) return `it is in another namespace: add -n ${elsewhere[0]}`;
  const here = items.filter(({ metadata }) => metadata.namespace === namespace).map(({ metadata }) => metadata.name);
  return here.length > 0 ? `deployments of namespace ${namespace}: ${here.join(", ")}` : `namespace ${namespace} has no deployment`;
}

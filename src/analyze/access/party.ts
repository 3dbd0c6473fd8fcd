// Words like "shop/web", "web.shop" or "deployment/web" → the workloads they mean, as policies see them. Pure; for `lateen policy can` and
// for other commands that take such words.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Pod } from "../../api/kubernetes/pod.ts";
import { resourceName } from "../../api/resource.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { closest } from "../../api/suggest.ts";
import { proxyKindOf } from "../../model/proxies.ts";
import { plannedPod, type Workload } from "../workload.ts";

/** One workload's pods, or what they will be when there are none yet. */
export interface Party extends Workload {
  readonly serviceAccount: string;
  /** "" before it has one. */
  readonly address: string;
  /** The pod, or one as the Deployment will make it. */
  readonly pod: Pod;
}

export interface PartyGroup {
  /** "Service shop/web". */
  readonly name: string;
  readonly kind: "Pod" | "Deployment" | "Service";
  readonly namespace: string;
  /** Of the object. */
  readonly object: string;
  readonly parties: readonly Party[];
}

/** Nobody is meant by the word: one sentence, and what to do. */
export interface Unknown {
  readonly problem: string;
  readonly fix: string;
}

const kindWords: Readonly<Record<string, PartyGroup["kind"]>> = {
  po: "Pod",
  pod: "Pod",
  pods: "Pod",
  deploy: "Deployment",
  deployment: "Deployment",
  deployments: "Deployment",
  svc: "Service",
  service: "Service",
  services: "Service",
};

interface Reference {
  readonly kinds: readonly PartyGroup["kind"][];
  readonly namespace: string;
  readonly name: string;
}

export interface PartyOptions {
  /** Of names that don't say theirs. */
  readonly namespace: string;
  /** Which kinds a bare name may mean, the preferred one first. */
  readonly prefer: readonly PartyGroup["kind"][];
}

/** Looks a word up: "[kind/][namespace/]name" or "[kind/]name.namespace". */
export function partyOf(word: string, snapshot: Snapshot, options: PartyOptions): PartyGroup | Unknown {
  for (const { kinds, namespace, name } of readings(word, options)) {
    for (const kind of kinds) {
      const found = groupOf(snapshot, kind, { namespace, name });
      if (found !== undefined) return found;
    }
  }
  const known = [...snapshot.list("Service"), ...snapshot.list("Deployment")].map(
    ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  );
  const sameName = known.find((candidate) => candidate.endsWith(`/${word}`));
  const suggestion = sameName ?? closest(word.includes("/") ? word : `${options.namespace}/${word}`, known);
  return {
    problem: `there is no pod, deployment or service "${word}" (namespace ${options.namespace} where none is named)`,
    fix: suggestion === undefined ? "name one as namespace/name, or add -n <namespace>" : `did you mean ${suggestion}?`,
  };
}

/** What a word may mean, the likeliest reading first. */
function readings(word: string, { namespace, prefer }: PartyOptions): readonly Reference[] {
  const [first = "", second, third] = word.split("/");
  const kind = Object.hasOwn(kindWords, first.toLowerCase()) ? kindWords[first.toLowerCase()] : undefined;
  if (kind !== undefined && third !== undefined && second !== undefined) return [{ kinds: [kind], namespace: second, name: third }];
  const own = second === undefined ? [] : [{ kinds: prefer, namespace: first, name: second }];
  if (kind !== undefined && second !== undefined) return [...dotted(second, { kinds: [kind], namespace }), ...own];
  return second === undefined ? dotted(first, { kinds: prefer, namespace }) : own;
}

/** "web", "web.shop" and "web.shop.svc.cluster.local". */
function dotted(name: string, { kinds, namespace }: Omit<Reference, "name">): readonly Reference[] {
  const short = name.replace(/\.svc(\.cluster\.local)?\.?$/, "");
  const dot = short.lastIndexOf(".");
  const split = dot < 1 ? [] : [{ kinds, namespace: short.slice(dot + 1), name: short.slice(0, dot) }];
  return [{ kinds, namespace, name }, ...split];
}

function groupOf(snapshot: Snapshot, kind: PartyGroup["kind"], { namespace, name }: Omit<Reference, "kinds">): PartyGroup | undefined {
  const object = snapshot.get(kind, namespace, name);
  if (object === undefined) return undefined;
  const parties = partiesOf(snapshot, kind, { namespace, name });
  return { name: resourceName(object), kind, namespace, object: name, parties };
}

function partiesOf(snapshot: Snapshot, kind: PartyGroup["kind"], { namespace, name }: Omit<Reference, "kinds">): readonly Party[] {
  const pods = snapshot.list("Pod", namespace).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  if (kind === "Pod") return pods.filter(({ metadata }) => metadata.name === name).map(partyOfPod);
  const service = kind === "Service" ? snapshot.get("Service", namespace, name) : undefined;
  const selector = service?.spec.selector ?? snapshot.get("Deployment", namespace, name)?.spec.selector.matchLabels ?? {};
  if (Object.keys(selector).length === 0) return [];
  const living = pods.filter(({ metadata }) => labelsMatch(selector, metadata.labels));
  if (living.length > 0) return living.map(partyOfPod);
  return snapshot
    .list("Deployment", namespace)
    .filter(({ metadata, spec }) => (kind === "Deployment" ? metadata.name === name : labelsMatch(selector, spec.template.metadata.labels)))
    .map((deployment) => partyOfPod(plannedPod(deployment)));
}

/** A pod as policies see it. */
export function partyOfPod(pod: Pod): Party {
  return {
    namespace: pod.metadata.namespace,
    labels: pod.metadata.labels,
    serviceAccount: pod.spec.serviceAccountName,
    proxy: proxyKindOf(pod),
    address: pod.status?.podIP ?? "",
    pod,
  };
}

// What applications are told of flags: FeatureFlags of the store, decided by what the newest mesh does with their services. Keeps nothing, so a restarted
// control plane answers the same.

import { serviceHost } from "../../api/hosts.ts";
import type { FeatureFlag } from "../../api/release/feature-flag.ts";
import type { FlagCaller, FlagEvaluation, FlagFailure, FlagReply, FlagsView } from "../../http/flags-contract.ts";
import { Unavailable } from "../../lib/errors.ts";
import { memoObject } from "../../model/memo.ts";
import type { Mesh } from "../../model/mesh.ts";
import { hostKey } from "../../model/virtual-addresses.ts";
import type { AudienceSource } from "../../release/audience-match.ts";
import { type FlagContext, parseFlagContext } from "../../release/flag-context.ts";
import { evaluateFlag, type FlagWorld, flagHeader } from "../../release/flags.ts";
import type { Store } from "../../store/store.ts";

export interface FlagsViewOptions {
  readonly store: Pick<Store, "snapshot" | "get">;
  readonly mesh: () => Mesh | undefined;
}

/** Builds the view over store and engine. */
export function createFlagsView(options: FlagsViewOptions): FlagsView {
  const { store } = options;
  const flagsOf = (namespace: string): ReadonlyMap<string, FeatureFlag> =>
    flagsByKey(store.snapshot().list("FeatureFlag")).get(namespace) ?? new Map();
  return {
    evaluate: (caller, key, body) => {
      const mesh = meshOf(options);
      const flag = flagsOf(caller.namespace).get(key);
      const read = parseFlagContext(body);
      if (!read.ok) return refused({ key, errorCode: read.errorCode, errorDetails: read.message });
      if (flag === undefined) {
        const errorDetails = `namespace ${caller.namespace} has no FeatureFlag with the key ${JSON.stringify(key)}`;
        return { status: 404, body: { key, errorCode: "FLAG_NOT_FOUND", errorDetails } };
      }
      const answer = evaluated(flag, read.context, { mesh, source: sourceOf(caller, store) });
      return "errorCode" in answer ? refused(answer) : { status: 200, body: answer };
    },
    evaluateAll: (caller, body) => {
      const mesh = meshOf(options);
      const read = parseFlagContext(body);
      if (!read.ok) return refused({ errorCode: read.errorCode, errorDetails: read.message });
      const source = sourceOf(caller, store);
      const flags = [...flagsOf(caller.namespace).values()].map((flag) => evaluated(flag, read.context, { mesh, source }));
      return { status: 200, body: { flags } };
    },
  };
}

function meshOf({ mesh }: FlagsViewOptions): Mesh {
  const now = mesh();
  if (now === undefined) throw new Unavailable("the mesh isn't there yet");
  return now;
}

function refused<Body>(body: FlagFailure): FlagReply<Body> {
  return { status: 400, body };
}

/** By namespace and key, sorted by key; of two with one key the first by name counts. */
const flagsByKey = memoObject((flags: readonly FeatureFlag[]): ReadonlyMap<string, ReadonlyMap<string, FeatureFlag>> => {
  const byName = flags.toSorted((a, b) => (a.metadata.name < b.metadata.name ? 1 : -1));
  const groups = Map.groupBy(byName, ({ metadata }) => metadata.namespace);
  const sorted = (own: readonly FeatureFlag[]) =>
    [...new Map(own.map((flag) => [flag.spec.key, flag]))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map([...groups].map(([namespace, own]) => [namespace, new Map(sorted(own))]));
});

/** Whose routes decide: those of the pod that asks. */
function sourceOf({ namespace, pod }: FlagCaller, store: Pick<Store, "get">): AudienceSource {
  const found = pod === undefined ? undefined : store.get("Pod", namespace, pod);
  return { namespace, labels: found?.value.metadata.labels ?? {} };
}

interface Place {
  readonly mesh: Mesh;
  readonly source: AudienceSource;
}

function evaluated(flag: FeatureFlag, context: FlagContext, { mesh, source }: Place): FlagEvaluation | FlagFailure {
  const { spec, metadata } = flag;
  const answer = evaluateFlag(flag, context, { ...worldOf(flag, mesh), caller: source });
  if (!answer.ok) return { key: spec.key, errorCode: answer.errorCode, errorDetails: answer.message };
  const { value, variant, reason, version } = answer;
  return {
    key: spec.key,
    value,
    variant,
    reason,
    metadata: {
      flag: `${metadata.namespace}/${metadata.name}`,
      service: serviceHost(spec.service, metadata.namespace),
      header: flagHeader(flag),
      ...(version === undefined ? {} : { version }),
    },
  };
}

/** What the mesh does with the requests of the flag's service. */
function worldOf({ spec, metadata }: FeatureFlag, { releases, endpoints }: Mesh): Omit<FlagWorld, "caller"> {
  const id = hostKey(metadata.namespace, serviceHost(spec.service, metadata.namespace));
  const structure = releases.structures.get(id);
  const route = structure === undefined ? undefined : { ...structure, shares: releases.shares.get(structure.name) ?? [] };
  const behind = endpoints.get(id) ?? [];
  return {
    route,
    isUsable: ({ version }) => behind.some(({ labels }) => version === undefined || labels[route?.label ?? ""] === version),
  };
}

// Which proxies count every try by itself: the callers of services whose release has a run, or may begin one by a Deployment's own update. Others pay
// nothing for releases.

import { serviceHost } from "../../api/hosts.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { memoLast } from "../../model/memo.ts";
import type { Mesh } from "../../model/mesh.ts";
import { hostKey } from "../../model/virtual-addresses.ts";
import { isByPods } from "./observed-versions.ts";
import { storedReleaseOf } from "./stored-release.ts";

const nobody: ReadonlySet<string> = new Set();

/** Ids of the callers' proxies, by what a mesh's scopes say of who calls whom. */
export function countingProxies(snapshot: Snapshot): (scopes: Mesh["scopes"]) => ReadonlySet<string> {
  const services = snapshot.list("Release").flatMap((release) => {
    const { run } = storedReleaseOf(release).state;
    // A Deployment's own update may be over before there is evidence: the candidate is compared with what was before (release/before.ts).
    if (!isByPods(release) && (run === undefined || run.stage === "done")) return [];
    const { namespace } = release.metadata;
    return [hostKey(namespace, serviceHost(release.spec.service, namespace))];
  });
  if (services.length === 0) return () => nobody;
  const wanted = services.sort().join("\n");
  return (scopes) => callersOf(wanted, scopes);
}

type Scope = Mesh["scopes"] extends ReadonlyMap<string, infer One> ? One : never;

const callersOf = memoLast((services: string, scopes: Mesh["scopes"]): ReadonlySet<string> => {
  const wanted = new Set(services.split("\n"));
  const calls = new Map<Scope, boolean>();
  const isCaller = (scope: Scope): boolean => {
    const known = calls.get(scope) ?? (isRouted(scope, wanted) || isSeen(scope, wanted));
    calls.set(scope, known);
    return known;
  };
  return new Set([...scopes].flatMap(([id, scope]) => (isCaller(scope) ? [id] : [])));
});

/** Somebody's route, or a release's own, leads there. */
function isRouted({ targets }: Scope, wanted: ReadonlySet<string>): boolean {
  return targets.some(({ service }) => service !== undefined && wanted.has(service.id));
}

/** Sidecars reach every service that they see without a route; and a Deployment's own update makes none. */
function isSeen({ kind, client, directory }: Scope, wanted: ReadonlySet<string>): boolean {
  if (kind !== "sidecar") return false;
  const { services } = directory.view(client.namespace);
  return [...wanted].some((id) => services.get(directory.services.get(id)?.hostname ?? "")?.id === id);
}

// Mesh and proxy → the proxy's extension resources for token checks. Proxies with the same rules share them, and a change of rules or keys makes
// something new only for those it concerns.

import type { RequestAuthentication } from "../../api/security/request-authentication.ts";
import type { EncodedResource, ResourceSet } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { KeyedMemo, memoObject, sameItems } from "../../model/memo.ts";
import type { Mesh, MeshProxy } from "../../model/mesh.ts";
import { jwtExtension } from "./jwt-filter.ts";

/** Starts it; `startRound` once per mesh. */
export function createJwtResources(cache: EncodeCache): {
  startRound(): void;
  resources(mesh: Mesh, proxy: MeshProxy): ResourceSet;
} {
  const memo = new KeyedMemo<ResourceSet>();
  const setOf = memoObject((resource: EncodedResource): ResourceSet => new Map([[resource.name, resource]]));
  const shared = createShared((rules) => setOf(jwtExtension(cache, rules.authentications, rules)));
  return {
    startRound: () => memo.generation(),
    resources: (mesh, proxy) => {
      const authentications = mesh.security.get(proxy.id)?.authentications ?? [];
      // Without rules no key counts, so fetched keys make nothing anew.
      const keySets = authentications.length === 0 ? noKeySets : mesh.jwks;
      return memo.get(proxy.id, [keySets, proxy.kind, ...authentications], () =>
        shared({ authentications, keySets, clearRouteCache: proxy.kind === "gateway" }),
      );
    },
  };
}

const noKeySets: Mesh["jwks"] = new Map();

interface Rules {
  readonly authentications: readonly RequestAuthentication[];
  readonly keySets: ReadonlyMap<string, string>;
  readonly clearRouteCache: boolean;
}

/** Enough for the mixtures of policies that begin with one; what falls out is made again. */
const keptMixtures = 8;

/** Remembers the last mixtures of rules, so that a mesh-wide rule costs one encoding and not one per proxy. */
function createShared(make: (rules: Rules) => ResourceSet): (rules: Rules) => ResourceSet {
  const known = new WeakMap<RequestAuthentication, readonly { readonly rules: Rules; readonly result: ResourceSet }[]>();
  return (rules) => {
    const [first] = rules.authentications;
    if (first === undefined) return make(rules);
    const entries = known.get(first) ?? [];
    const same = entries.find((entry) => isSame(entry.rules, rules));
    if (same !== undefined) return same.result;
    const result = make(rules);
    known.set(first, [{ rules, result }, ...entries].slice(0, keptMixtures));
    return result;
  };
}

function isSame(a: Rules, b: Rules): boolean {
  return a.keySets === b.keySets && a.clearRouteCache === b.clearRouteCache && sameItems(a.authentications, b.authentications);
}

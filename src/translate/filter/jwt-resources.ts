// Mesh and proxy → the proxy's extension resources for token checks, remembered: proxies without rules share one, and a change of one proxy's
// rules or keys touches no other's.

import type { EncodedResource, ResourceSet } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { KeyedMemo, memoObject } from "../../model/memo.ts";
import type { Mesh, MeshProxy } from "../../model/mesh.ts";
import { jwtExtension } from "./jwt-filter.ts";

/** Starts it; `startRound` once per mesh. */
export function createJwtResources(cache: EncodeCache): {
  startRound(): void;
  resources(mesh: Mesh, proxy: MeshProxy): ResourceSet;
} {
  const memo = new KeyedMemo<ResourceSet>();
  const setOf = memoObject((resource: EncodedResource): ResourceSet => new Map([[resource.name, resource]]));
  return {
    startRound: () => memo.generation(),
    resources: (mesh, proxy) => {
      const authentications = mesh.security.get(proxy.id)?.authentications ?? [];
      // Without rules no key counts, so fetched keys make nothing anew.
      const keySets = authentications.length === 0 ? noKeySets : mesh.jwks;
      return memo.get(proxy.id, [keySets, proxy.kind, ...authentications], () =>
        setOf(jwtExtension(cache, authentications, { keySets, clearRouteCache: proxy.kind === "gateway" })),
      );
    },
  };
}

const noKeySets: Mesh["jwks"] = new Map();

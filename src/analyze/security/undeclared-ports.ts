// RequestAuthentications and what their pods listen on: where the protocol is only detected, what isn't recognised as HTTP goes unchecked.

import type { Diagnostic } from "../../api/diagnostic.ts";
import { diagnosticOf } from "../../api/finding.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { resourceName } from "../../api/resource.ts";
import type { Directory } from "../directory.ts";
import { settingsOf } from "../settings.ts";
import { subjectsOf } from "./subjects.ts";

/**
 * Tokens on ports whose protocol no Service declares. An empty line before a request is enough to be taken for TCP, and most servers skip it:
 * a bad token arrives, and so do headers that only the proxy may write (claims, x-forwarded-client-cert).
 */
export function checkTokenPorts({ snapshot }: Directory): readonly Diagnostic[] {
  const { rootNamespace } = settingsOf(snapshot);
  return snapshot.list("RequestAuthentication").flatMap((authentication) => {
    const { metadata, spec } = authentication;
    if (spec.jwtRules.length === 0) return [];
    const isFor = (namespace: string) => metadata.namespace === rootNamespace || metadata.namespace === namespace;
    const undeclared = subjectsOf(snapshot)
      .filter(
        ({ proxy, namespace, labels }) => proxy === "sidecar" && isFor(namespace) && labelsMatch(spec.selector?.matchLabels ?? {}, labels),
      )
      .flatMap(({ name, ports }) => ports.filter(({ protocol }) => protocol === "detect").map(({ port }) => `${port} of ${name}`));
    if (undeclared.length === 0) return [];
    const named = `${undeclared.slice(0, 5).join(", ")}${undeclared.length > 5 ? ", …" : ""}`;
    const message = `no Service says that port ${named} speaks HTTP, so what isn't recognised as HTTP passes without a look at its token`;
    return [diagnosticOf({ code: "LTN0824", path: ["spec", "jwtRules"], message }, resourceName(authentication))];
  });
}

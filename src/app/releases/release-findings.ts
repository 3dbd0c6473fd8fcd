// What runs under way say about their callers → diagnostics, beside all others that `lateen status` and `describe` show.

import { codes } from "../../api/codes.ts";
import type { Diagnostic } from "../../api/diagnostic.ts";
import { resourceName } from "../../api/resource.ts";
import { findingCodes } from "../../release/findings.ts";
import type { Store } from "../../store/store.ts";
import type { ReleaseEngine } from "./release-engine.ts";

/** Sorted as the store lists releases. */
export function releaseFindings(store: Pick<Store, "list">, engine: Pick<ReleaseEngine, "stateOf">): readonly Diagnostic[] {
  return store.list("Release").flatMap((stored) => {
    const { run } = engine.stateOf(stored);
    if (run === undefined || run.stage === "done") return [];
    return (run.findings ?? []).map(({ kind, sentence }): Diagnostic => {
      const code = findingCodes[kind];
      const { severity, fix } = codes[code];
      return { code, severity, resource: resourceName(stored.value), path: "", message: sentence, fix };
    });
  });
}

// The checks of a preview step: requests to the candidate before anybody gets it.

import type { SendChecks } from "./carry-out.ts";

/** Sends them through the node, which reaches pods. */
export function previewChecks(): SendChecks {
  return async (_release, _candidate, { checks }) => checks.map(({ name }) => ({ name, ok: false, detail: "checks can't be sent yet" }));
}

// decideAccess against a real Envoy: 2,000 random requests under random policies; 10,000 more in test/slow.

import { expect, test } from "vitest";
import { accessAgreement } from "../../../test/harness/access-agreement.ts";

test("says of 2,000 random requests what Envoy does", async () => {
  const { disagreements, requests, allowed, refused, audited, named } = await accessAgreement({ seed: 20_261_121, sets: 250, requests: 8 });
  expect(disagreements.slice(0, 3)).toEqual([]);
  expect(requests).toBe(2000);
  // Both answers must be frequent, or the comparison says nothing.
  expect({ allowed: allowed > 500, denied: requests - allowed - refused > 500, audited: audited > 20, named: named > 100 }).toEqual({
    allowed: true,
    denied: true,
    audited: true,
    named: true,
  });
});

test.each(["NONE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const)("also under path normalization %s", async (pathNormalization) => {
  const { disagreements, requests } = await accessAgreement({ seed: 20_261_122, sets: 100, requests: 5, pathNormalization });
  expect(disagreements.slice(0, 3)).toEqual([]);
  expect(requests).toBe(500);
});

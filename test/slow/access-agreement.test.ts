// decideAccess against a real Envoy, 10,000 random requests under 1,000 sets of random policies.

import { expect, test } from "vitest";
import { accessAgreement } from "../harness/access-agreement.ts";

test.each([1, 2, 3, 4])("2,500 of the 10,000 requests, seed %i", async (seed) => {
  const { disagreements, requests } = await accessAgreement({ seed, sets: 250, requests: 10 });
  expect(disagreements.slice(0, 3)).toEqual([]);
  expect(requests).toBe(2500);
});

// When a key set is asked for again.

import { expect, test } from "vitest";
import { decideRefetch, refreshMs } from "./refetch.ts";

test("decideRefetch doubles its delays up to a minute, and a success waits 20 minutes", () => {
  expect([0, 1, 2, 3, 6, 7, 1000].map((failures) => decideRefetch(failures, 0))).toEqual([
    refreshMs,
    1000,
    2000,
    4000,
    32_000,
    60_000,
    60_000,
  ]);
  expect(decideRefetch(0, 0.999)).toBeGreaterThan(refreshMs * 0.9);
});

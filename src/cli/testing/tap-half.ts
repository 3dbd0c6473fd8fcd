// Half of a live request as `lateen tap` gets it, for tests of what it prints.

import type { TapHalf } from "../../http/tap-contract.ts";

/** What a client's proxy saw of an ordinary request. */
export const tapHalf: TapHalf = {
  proxy: "web-v1-x.shop",
  start: "2030-01-01T10:00:00.007Z",
  durationMs: 12,
  code: 200,
  flags: [],
  details: "via_upstream",
  receivedBytes: 0,
  sentBytes: 7,
  cluster: "outbound|80||orders.shop.svc.cluster.local",
  upstream: "198.18.0.3:8080",
  attempts: 1,
  attempted: ["198.18.0.3:8080"],
};

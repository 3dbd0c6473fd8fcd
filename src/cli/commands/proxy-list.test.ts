import { createColors } from "picocolors";
import { expect, test } from "vitest";
import type { ProxyStatus } from "../../http/contract.ts";
import { printProxies } from "./proxy-list.ts";

const web: ProxyStatus = {
  id: "web.shop",
  pod: "web",
  namespace: "shop",
  type: "sidecar",
  connected: true,
  acknowledgedRevision: 3,
  synced: false,
  waiting: [],
  rejected: [
    { type: "LDS", name: "virtualInbound", reason: "the proxy refused it: no\n", sources: ["Service shop/web"] },
    ...["a", "b", "c", "d", "e"].map((name) => ({ type: "ECDS", name, reason: "held back", sources: [], behind: ["Service shop/web"] })),
  ],
};

test("what a refusal holds back is one line, not one each", () => {
  const lines: string[] = [];
  const out = (line: string) => {
    lines.push(line);
  };
  printProxies([web], 3, { out, err: out, raw: out, colours: createColors(false), isTty: false, columns: 200 });
  const text = lines.join("\n");
  expect(text).toContain("✗ 1 refused");
  expect(text).toContain("✗ web.shop refused LDS virtualInbound (from Service shop/web)\n  cause: the proxy refused it: no\n  fix: ");
  expect(text).toContain("… web.shop does not get ECDS a, ECDS b, ECDS c and 2 more until Service shop/web is corrected");
});

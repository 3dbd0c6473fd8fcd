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

function printed(proxies: readonly ProxyStatus[], revision: number): string {
  const lines: string[] = [];
  const out = (line: string) => {
    lines.push(line);
  };
  printProxies(proxies, revision, { out, err: out, raw: out, colours: createColors(false), isTty: false, columns: 200 });
  return lines.join("\n");
}

test.each<[string, readonly Partial<ProxyStatus>[], string]>([
  ["all", [{ acknowledgedRevision: 7 }, { acknowledgedRevision: 7 }], "2 of 2 proxies have acknowledged everything up to revision 7"],
  [
    "all of the step before the last",
    [{ acknowledgedRevision: 6 }, { acknowledgedRevision: 6 }],
    "2 of 2 proxies have acknowledged everything up to revision 6; revision 7 is on its way",
  ],
  [
    "one",
    [{ acknowledgedRevision: 7 }, { acknowledgedRevision: 5, synced: false }],
    "1 of 2 proxies have acknowledged everything up to revision 7",
  ],
  ["none", [{ acknowledgedRevision: 0, synced: false }], "0 of 1 proxies have acknowledged everything"],
])("how far the proxies are: %s", (_, proxies, expected) => {
  const list = proxies.map((proxy) => ({ ...web, rejected: [], synced: true, ...proxy }));
  expect(printed(list, 7).split("\n")).toContain(expected);
});

test("what a refusal holds back is one line, not one each", () => {
  const text = printed([web], 3);
  expect(text).toContain("✗ 1 refused");
  expect(text).toContain("✗ web.shop refused LDS virtualInbound (from Service shop/web)\n  cause: the proxy refused it: no\n  fix: ");
  expect(text).toContain("… web.shop does not get ECDS a, ECDS b, ECDS c and 2 more until Service shop/web is corrected");
});

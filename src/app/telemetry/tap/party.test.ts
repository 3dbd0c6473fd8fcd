// Which names people may give a workload, a pod or a service.

import { describe, expect, test } from "vitest";
import type { TapEnd } from "../../../http/tap-contract.ts";
import { parseParty } from "../../../telemetry/party.ts";
import { isParty } from "./party.ts";

describe("parties", () => {
  const end: TapEnd = {
    name: "shop/web-v1",
    kind: "workload",
    namespace: "shop",
    workload: "web-v1",
    pod: "web-v1-7d-x",
    services: ["web.shop.svc.cluster.local"],
  };
  const isIt = (text: string, namespace?: string) => isParty(parseParty(text, namespace), end);

  test.each([
    "web",
    "web-v1",
    "web-v1-7d-x",
    "shop/web",
    "shop/web-v1",
    "web.shop",
    "web-v1.shop",
    "service/web",
    "svc/web",
    "deployment/web-v1",
    "pod/web-v1-7d-x",
    "sts/web-v1",
    "service/shop/web",
    "workload/shop/web-v1",
    "web.shop.svc.cluster.local",
  ])("%s is it", (text) => expect(isIt(text)).toBe(true));

  test.each([
    "we",
    "other/web",
    "deployment/web",
    "pod/web-v1",
    "service/web-v1",
    "web.other",
    "deployment/other/web-v1",
    "",
    "constructor/web",
  ])("%j isn't", (text) => expect(isIt(text)).toBe(false));

  test("a namespace is of those that name none", () => {
    expect([isIt("web", "shop"), isIt("web", "other"), isIt("service/web", "other"), isIt("shop/web", "other")]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });
});

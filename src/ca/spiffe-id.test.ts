import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../lib/errors.ts";
import { equivalentIds, isSameWorkload, isTrustDomain, parsePrincipal, parseSpiffeId, principalOf, printSpiffeId } from "./spiffe-id.ts";

const id = { trustDomain: "cluster.local", namespace: "shop", serviceAccount: "web" };

describe("SPIFFE ids", () => {
  it("prints and reads Istio's form", () => {
    expect(printSpiffeId(id)).toBe("spiffe://cluster.local/ns/shop/sa/web");
    expect(parseSpiffeId("spiffe://cluster.local/ns/shop/sa/web")).toEqual(id);
    expect(principalOf(id)).toBe("cluster.local/ns/shop/sa/web");
    expect(parsePrincipal("cluster.local/ns/shop/sa/web.v1")).toEqual({ ...id, serviceAccount: "web.v1" });
  });

  it.each([
    "",
    "spiffe://",
    "spiffe:///ns/a/sa/b",
    "SPIFFE://cluster.local/ns/shop/sa/web",
    "https://cluster.local/ns/shop/sa/web",
    "spiffe://Cluster.local/ns/shop/sa/web",
    "spiffe://cluster.local:80/ns/shop/sa/web",
    "spiffe://user@cluster.local/ns/shop/sa/web",
    "spiffe://cluster.local/ns/shop/sa/web/",
    "spiffe://cluster.local/ns/shop/sa/web?x",
    "spiffe://cluster.local/ns/shop/sa/web#x",
    "spiffe://cluster.local/ns//sa/web",
    "spiffe://cluster.local/ns/shop/sa/",
    "spiffe://cluster.local/ns/./sa/..",
    "spiffe://cluster.local/ns/shop/sa/%77eb",
    "spiffe://cluster.local/ns/shop/sa/web\n",
    "spiffe://cluster.local/ns/shop/sa/web\0",
    "spiffe://cluster.local/sa/web/ns/shop",
    "spiffe://cluster.local/ns/shop/sa/*",
    `spiffe://${"a".repeat(2048)}/ns/shop/sa/web`,
  ])("refuses %j", (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  });

  it("knows trust domains", () => {
    expect(["cluster.local", "a", "a_b-c.d"].filter(isTrustDomain)).toHaveLength(3);
    expect(["", "A", "a b", "a/b", "a:1", "*", "ä", "a".repeat(256)].filter(isTrustDomain)).toEqual([]);
  });

  it("never prints an id that reads as another one", () => {
    const odd = fc.string({ unit: fc.constantFrom(..."ab/.*+?[](){}\\|^$:@%#-_ \n\0"), maxLength: 12 });
    fc.assert(
      fc.property(odd, odd, odd, (trustDomain, namespace, serviceAccount) => {
        const given = { trustDomain, namespace, serviceAccount };
        try {
          expect(parseSpiffeId(printSpiffeId(given))).toEqual(given);
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError);
        }
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});

describe("trust-domain aliases", () => {
  const domains = { trustDomain: "new.example", aliases: ["cluster.local", "new.example"] };

  it("are the same workload", () => {
    expect(equivalentIds(id, domains).map(({ trustDomain }) => trustDomain)).toEqual(["new.example", "cluster.local"]);
    expect(isSameWorkload(id, { ...id, trustDomain: "new.example" }, domains)).toBe(true);
  });

  it("make no foreign workload one of ours", () => {
    const foreign = { ...id, trustDomain: "elsewhere" };
    expect(equivalentIds(foreign, domains)).toEqual([foreign]);
    expect(isSameWorkload(foreign, id, domains)).toBe(false);
    expect(isSameWorkload(foreign, foreign, domains)).toBe(true);
    expect(isSameWorkload(id, { ...id, namespace: "other", trustDomain: "new.example" }, domains)).toBe(false);
    expect(isSameWorkload(id, { ...id, serviceAccount: "other" }, domains)).toBe(false);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadInput } from "../lib/errors.ts";
import { parseWorkloadDnsName, workloadDnsName } from "./workload-name.ts";

describe("the workload's DNS SAN", () => {
  it("reads as what it names", () => {
    const name = { version: "v1", workload: "productpage", namespace: "default" };
    expect(workloadDnsName(name)).toBe("v1.productpage.default.workload.lateen");
    expect(parseWorkloadDnsName("v1.productpage.default.workload.lateen")).toEqual(name);
    expect(workloadDnsName({ ...name, version: "1.2_RC" })).toBe("1_2e2_5f_52_43.productpage.default.workload.lateen");
  });

  it("cuts long parts and keeps them apart", () => {
    const nameOf = (version: string) => workloadDnsName({ version, workload: "web", namespace: "a" });
    const long = "1.".repeat(31);
    expect(nameOf(`${long}a`)).not.toBe(nameOf(`${long}b`));
    expect(parseWorkloadDnsName(nameOf(long))?.workload).toBe("web");
  });

  it.each([
    "",
    "v1.web.a.workload.lateen.",
    "v1.web.a.b.workload.lateen",
    "web.a.workload.lateen",
    "..a.workload.lateen",
    "v1.web.A.workload.lateen",
  ])("refuses %j", (text) => {
    expect(parseWorkloadDnsName(text)).toBeUndefined();
  });

  it("refuses names without a part", () => {
    expect(() => workloadDnsName({ version: "", workload: "web", namespace: "a" })).toThrow(BadInput);
    expect(() => workloadDnsName({ version: "v1", workload: "web", namespace: "a.b" })).toThrow(BadInput);
  });

  it("is one name for one workload, in our own pattern only, whatever is in it", () => {
    const odd = fc.string({ unit: fc.constantFrom(..."aZ_h2.:/*\0 é\\", "😀"), minLength: 1, maxLength: 70 });
    fc.assert(
      fc.property(odd, odd, (version, workload) => {
        const text = workloadDnsName({ version, workload, namespace: "a" });
        expect(text).toMatch(/^[a-z0-9_-]{1,63}\.[a-z0-9_-]{1,63}\.a\.workload\.lateen$/);
        const back = parseWorkloadDnsName(text);
        expect(back).toBeDefined();
        if (!text.includes("_h")) expect(back).toEqual({ version, workload, namespace: "a" });
      }),
      { seed: 4, numRuns: 1000 },
    );
  });
});

import { describe, expect, it } from "vitest";
import { openAuthority } from "./authority.ts";
import { temporaryDirectory, testSurroundings } from "./testing/world.ts";
import { WorkloadCertificates } from "./workload-certificates.ts";

const hourMs = 3_600_000;
const identityOf = (index: number) => ({ namespace: "shop", serviceAccount: `account-${index}`, workload: { name: "web", version: "v1" } });
const identities = Array.from({ length: 20 }, (_, index) => identityOf(index));

function world() {
  const directory = temporaryDirectory();
  const surroundings = testSurroundings();
  const authority = openAuthority({ directory: directory.path, trustDomain: "cluster.local", surroundings });
  const certificates = new WorkloadCertificates({ authority, surroundings });
  return { surroundings, authority, certificates, [Symbol.dispose]: () => directory[Symbol.dispose]() };
}

describe("the certificates in use", () => {
  it("are one per identity, the same until renewed", () => {
    using here = world();
    const [first, second] = [0, 1].map((index) => here.certificates.certificateOf(identityOf(index)));
    expect(here.certificates.certificateOf(identityOf(0))).toBe(first);
    expect(second?.spiffeId).toBe("spiffe://cluster.local/ns/shop/sa/account-1");
    const { workload: _, ...nameless } = identityOf(0);
    const others = [nameless, { ...nameless, workload: { name: "web", version: "v2" } }].map((identity) =>
      here.certificates.certificateOf(identity),
    );
    expect(new Set([first, second, ...others]).size).toBe(4);
    expect(here.certificates.renewDue()).toEqual({ renewed: [], isMoreDue: false, problem: undefined });
  });

  it("are renewed around half their life, not all at the same time", () => {
    using here = world();
    const before = identities.map((identity) => here.certificates.certificateOf(identity));
    here.surroundings.nowMs += 12 * hourMs - 0.24 * hourMs - 1;
    expect(here.certificates.renewDue().renewed).toEqual([]);
    here.surroundings.nowMs += 0.24 * hourMs;
    const early = here.certificates.renewDue().renewed.length;
    expect(early).toBeGreaterThan(0);
    expect(early).toBeLessThan(identities.length);
    here.surroundings.nowMs += 0.24 * hourMs + 1;
    expect(here.certificates.renewDue().renewed).toHaveLength(identities.length - early);
    const after = identities.map((identity) => here.certificates.certificateOf(identity));
    expect(after.filter((certificate) => before.includes(certificate))).toEqual([]);
  });

  it("are all renewed when another root signs, some at a time", () => {
    using here = world();
    for (const identity of identities) here.certificates.certificateOf(identity);
    here.authority.startRootRotation();
    expect(here.certificates.renewDue().renewed).toEqual([]);
    here.authority.acknowledgeRootRotation(1);
    expect(here.certificates.renewDue(15)).toMatchObject({ isMoreDue: true, renewed: { length: 15 } });
    expect(here.certificates.renewDue(15)).toMatchObject({ isMoreDue: false, renewed: { length: 5 } });
    expect(here.certificates.renewDue().renewed).toEqual([]);
    const root = here.authority.status().issuer.root;
    expect(identities.every((identity) => here.certificates.certificateOf(identity).root === root)).toBe(true);
  });

  it("are renewed whatever their age when somebody asks, once", () => {
    using here = world();
    const before = here.certificates.certificateOf(identityOf(0));
    here.certificates.expireAll();
    const later = here.certificates.certificateOf(identityOf(1));
    expect(here.certificates.renewDue().renewed).toEqual([identityOf(0)]);
    expect(here.certificates.renewDue().renewed).toEqual([]);
    expect([here.certificates.certificateOf(identityOf(0)) === before, here.certificates.certificateOf(identityOf(1))]).toEqual([
      false,
      later,
    ]);
  });

  it("stay when the authority can't sign, until they are over", () => {
    using here = world();
    const before = here.certificates.certificateOf(identityOf(0));
    here.surroundings.nowMs -= 100 * 24 * hourMs;
    const { problem, renewed } = here.certificates.renewDue();
    expect([problem?.code, renewed]).toEqual(["unavailable", []]);
    expect(here.certificates.certificateOf(identityOf(0))).toBe(before);
    here.surroundings.nowMs += 102 * 24 * hourMs;
    expect(here.certificates.certificateOf(identityOf(0))).not.toBe(before);
  });

  it("are forgotten with their workload", () => {
    using here = world();
    const [gone, kept] = [0, 1].map((index) => here.certificates.certificateOf(identityOf(index)));
    here.certificates.retain([identityOf(1)]);
    expect(here.certificates.certificateOf(identityOf(1))).toBe(kept);
    expect(here.certificates.certificateOf(identityOf(0))).not.toBe(gone);
  });

  it("are never made for names that are none", () => {
    using here = world();
    expect(() => here.certificates.certificateOf({ namespace: "a/b", serviceAccount: "x" })).toThrow(/not the name of a namespace/);
    expect(here.certificates.renewDue().problem).toBeUndefined();
  });
});

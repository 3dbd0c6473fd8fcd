// Which addresses keys may come from: tables of special addresses in all their spellings, and random ones against plain arithmetic.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nothingAllowed } from "../../api/security/fetch-allowance.ts";
import { refusalOfAddress, specialAddress } from "./address-policy.ts";

describe("specialAddress", () => {
  test.each([
    ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254"],
    ...["169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1"],
    ...["198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
    ...["::", "::1", "0:0:0:0:0:0:0:1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1"],
    ...["::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:10.0.0.1", "0:0:0:0:0:ffff:a9fe:a9fe", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"],
    ...["64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "2001:0:4136:e378::1", "2001::1"],
    ...["2001:db8::1", "3fff::1", "100::1", "2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:a00:1", "5f00::1", "4000::1", "2620:4f:8000::1"],
    ...["not an address", "", "127.1", "2130706433", "0x7f.0.0.1", "[::1]"],
  ])("%s is not public", (address) => {
    expect(specialAddress(address)).toBeDefined();
  });

  test.each(["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1", "198.17.255.255"])(
    "%s is public",
    (address) => {
      expect(specialAddress(address)).toBeUndefined();
    },
  );

  test.each(["2001:4860:4860::8888", "2a00:1450:4001::200e", "2606:4700::1111", "2600::"])("%s is public", (address) => {
    expect(specialAddress(address)).toBeUndefined();
  });

  test("an IPv4 address in an IPv6 one is never public", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom("::ffff:", "64:ff9b::", "::"), (address, prefix) => {
        expect(specialAddress(`${prefix}${address}`)).toBeDefined();
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  test("random IPv4 addresses agree with arithmetic", () => {
    const isPrivate = (address: string): boolean => {
      const [a = 0, b = 0] = address.split(".").map(Number);
      return [0, 10, 127].includes(a) || a >= 224 || (a === 100 && b >> 6 === 1) || (a === 169 && b === 254) || (a === 172 && b >> 4 === 1);
    };
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        if (isPrivate(address)) expect(specialAddress(address)).toBeDefined();
      }),
      { seed: 5, numRuns: 2000 },
    );
  });

  test("no random IPv6 address outside of 2000::/3 is public", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const first = Number.parseInt(address.split(":")[0] || "0", 16);
        if (first >> 13 !== 1) expect(specialAddress(address)).toBeDefined();
      }),
      { seed: 6, numRuns: 2000 },
    );
  });
});

describe("refusalOfAddress", () => {
  const allowance = { hosts: ["keys.shop.example", "*.internal.example"], ranges: ["10.1.0.0/16", "::1", "fd00:1::/32"] };

  test.each([
    ["keys.shop.example", "127.0.0.1"],
    ["KEYS.shop.example.", "10.9.9.9"],
    ["a.internal.example", "192.168.1.1"],
    ["any.example", "10.1.2.3"],
    ["any.example", "::1"],
    ["any.example", "fd00:1::5"],
    ["any.example", "8.8.8.8"],
  ])("%s at %s is allowed", (host, address) => {
    expect(refusalOfAddress(host, address, allowance)).toBeUndefined();
  });

  test.each([
    ["internal.example", "127.0.0.1", "internal.example is at a loopback address"],
    ["xinternal.example", "10.2.0.1", "xinternal.example is at a private address"],
    ["any.example", "10.2.0.1", "any.example is at a private address"],
    ["any.example", "169.254.169.254", "any.example is at a link-local address"],
    ["any.example", "fd00:2::1", "any.example is at a local or reserved address"],
    ["any.example", "::ffff:127.0.0.1", "any.example is at a loopback address"],
  ])("%s at %s is refused, without telling the address", (host, address, message) => {
    expect(refusalOfAddress(host, address, allowance)).toBe(message);
  });

  test("nothing special is allowed by default", () => {
    expect(refusalOfAddress("localhost", "127.0.0.1", nothingAllowed)).toBe("localhost is at a loopback address");
  });
});

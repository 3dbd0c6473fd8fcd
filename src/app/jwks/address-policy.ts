// Which addresses the control plane may fetch keys from: public ones, and what the mesh's owner allows by name or range. Pure decisions; who
// writes a RequestAuthentication must not make the control plane call its own machine or network for him (SSRF).

import { BlockList, isIP } from "node:net";
import type { FetchAllowance } from "../../api/security/fetch-allowance.ts";

/** Special-purpose IPv4 (IANA registry, RFC 6890), each with the word for messages. */
const privateRanges4: readonly (readonly [range: string, name: string])[] = [
  ["0.0.0.0/8", "a local"],
  ["10.0.0.0/8", "a private"],
  ["100.64.0.0/10", "a carrier's private"],
  ["127.0.0.0/8", "a loopback"],
  ["169.254.0.0/16", "a link-local"],
  ["172.16.0.0/12", "a private"],
  ["192.0.0.0/24", "a reserved"],
  ["192.0.2.0/24", "a documentation"],
  ["192.31.196.0/24", "a reserved"],
  ["192.52.193.0/24", "a reserved"],
  ["192.88.99.0/24", "a relay"],
  ["192.168.0.0/16", "a private"],
  ["192.175.48.0/24", "a reserved"],
  ["198.18.0.0/15", "a benchmarking"],
  ["198.51.100.0/24", "a documentation"],
  ["203.0.113.0/24", "a documentation"],
  ["224.0.0.0/4", "a multicast"],
  ["240.0.0.0/4", "a reserved"],
];

/**
 * IPv6: only global unicast (2000::/3) can be public; these parts of it are not. What carries an IPv4 address inside (mapped, NAT64, 6to4,
 * Teredo, ISATAP) lies outside of 2000::/3 or is here.
 */
const globalUnicast = "2000::/3";
const privateRanges6: readonly string[] = ["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"];

const lists4 = privateRanges4.map(([range, name]) => ({ list: listOf([range]), name }));
const unicast6 = listOf([globalUnicast]);
const special6 = listOf(privateRanges6);

/** Why an address is not public, as "a loopback"; undefined for a public one. */
export function specialAddress(address: string): string | undefined {
  const kind = isIP(address);
  if (kind === 4) return lists4.find(({ list }) => list.check(address, "ipv4"))?.name;
  if (kind !== 6 || address.includes("%")) return "no";
  const embedded = mappedAddress(address);
  if (embedded !== undefined) return specialAddress(embedded) ?? "a mapped";
  // The last 32 bits behind ::0:5efe are an IPv4 address (ISATAP, RFC 5214).
  if (/:(?:0|200)?:5efe:/.test(longForm(address))) return "a tunnel";
  return unicast6.check(address, "ipv6") && !special6.check(address, "ipv6") ? undefined : "a local or reserved";
}

/** Whether a host may be fetched from at an address; the reason otherwise, without the address: its writer must not learn our names. */
export function refusalOfAddress(host: string, address: string, allowance: FetchAllowance): string | undefined {
  const special = specialAddress(address);
  if (special === undefined || isAllowed(host, address, allowance)) return undefined;
  return `${host} is at ${special} address`;
}

function isAllowed(host: string, address: string, { hosts, ranges }: FetchAllowance): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  if (hosts.some((pattern) => (pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern))) return true;
  const kind = isIP(address);
  return kind !== 0 && listOf(ranges).check(address, kind === 4 ? "ipv4" : "ipv6");
}

/** Addresses and ranges as a list; they were checked (isIpOrCidr). */
function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits] = range.split("/");
    const family = isIP(network) === 4 ? "ipv4" : "ipv6";
    if (bits === undefined) list.addAddress(network, family);
    else list.addSubnet(network, Number(bits), family);
  }
  return list;
}

/** The IPv4 address in ::ffff:a.b.c.d, however it is written. */
function mappedAddress(address: string): string | undefined {
  const words = longForm(address).split(":");
  if (words.length !== 8 || words.slice(0, 5).some((word) => word !== "0") || words[5] !== "ffff") return undefined;
  const [high = 0, low = 0] = words.slice(6).map((word) => Number.parseInt(word, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** Eight words without leading zeros. */
function longForm(address: string): string {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((word) => word.toString(16)).join(":"),
  );
  const [head = "", tail] = hex.toLowerCase().split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].map((word) => word.replace(/^0+(?=.)/, "")).join(":");
}

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { captureRules, fabricRules, plainPodRules } from "./capture.ts";
import { needsUserNamespace, wrapperArguments } from "./launch.ts";
import { findTools } from "./tools.ts";
import { vipRules } from "./vip-rules.ts";

/** What nft itself makes of a ruleset, loaded in a network namespace of its own. */
function loaded(...rulesets: readonly string[]): string {
  const tools = findTools();
  const script = 'for rules in "$@"; do printf "%s" "$rules" | nft -f - || exit 1; done; nft list ruleset';
  const args = [...wrapperArguments(needsUserNamespace()), tools.sh, "-c", script, "sh", ...rulesets];
  return execFileSync(tools.setpriv, args, { encoding: "utf8", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
}

const endpoints = [
  { address: "198.18.0.2", port: 8080 },
  { address: "198.18.0.3", port: 8081 },
];

test("nft accepts every ruleset", () => {
  const everything = {
    includeInboundPorts: [80, 443],
    excludeInboundPorts: [9000],
    excludeOutboundPorts: [5432],
    includeOutboundIPRanges: ["10.0.0.0/8", "198.19.0.0/16"],
    excludeOutboundIPRanges: ["10.1.0.0/16"],
  };
  for (const rules of [
    captureRules("198.18.0.5"),
    captureRules("198.18.0.5", everything),
    plainPodRules(),
    fabricRules(15099, ["198.19.0.0/16"]),
    fabricRules(undefined, ["198.19.0.0/16"]),
  ]) {
    expect(loaded(rules)).toContain("table inet lateen");
  }
});

test("an empty include list captures nothing", () => {
  const rules = captureRules("198.18.0.5", { includeInboundPorts: [], includeOutboundIPRanges: [] });
  expect(rules).toMatch(/meta l4proto tcp return\n {4}meta l4proto tcp redirect to :15001/);
  expect(rules).toMatch(/meta l4proto tcp return\n {4}meta l4proto tcp redirect to :15006/);
});

test("the table of virtual addresses is replaced as a whole", () => {
  const before = vipRules([{ vip: "198.19.0.1", port: 80, protocol: "tcp", endpoints }]);
  const after = vipRules([
    { vip: "198.19.0.2", port: 53, protocol: "udp", endpoints: [] },
    { vip: "198.19.0.2", port: 80, protocol: "tcp", endpoints: endpoints.slice(1) },
  ]);
  const listed = loaded(before, after);
  expect(listed).not.toContain("198.19.0.1");
  expect(listed).toContain("ip daddr 198.19.0.2 tcp dport 80 dnat to 198.18.0.3:8081");
  expect(listed).toContain("ip daddr 198.19.0.2 udp dport 53 reject");
});

test("rules of virtual addresses are sorted", () => {
  const one = { vip: "198.19.0.1", port: 80, protocol: "tcp" as const, endpoints };
  const two = { vip: "198.19.0.1", port: 443, protocol: "tcp" as const, endpoints };
  expect(vipRules([one, two])).toBe(vipRules([two, one]));
});

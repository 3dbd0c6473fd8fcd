// The same junk as in test/feature, much more of it, from other seeds, and many connections that say nothing.

import type { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { type AttackOptions, attack } from "../harness/attack.ts";
import { Dice } from "../harness/junk.ts";
import { apiTarget, dnsTarget, newDnsServer, oddQuery, tlsTarget, xdsSocketTarget } from "../harness/junk-targets.ts";

const megabyte = 1024 * 1024;
const times = 10;

async function survives(what: string, options: AttackOptions): Promise<void> {
  const report = await attack({ ...options, parallel: 16 });
  const { attacks, exchanges, slowestMs, keptBytes, peakBytes } = report;
  const megabytes = (bytes: number) => `${Math.round(bytes / megabyte)} MB`;
  const served = `${exchanges} exchanges, slowest ${Math.round(slowestMs)} ms`;
  process.stdout.write(`${what}: ${attacks} attacks; ${served}; kept ${megabytes(keptBytes)}, peak ${megabytes(peakBytes)}\n`);
  expect(exchanges).toBeGreaterThan(0);
  expect(keptBytes).toBeLessThan(60 * megabyte);
  // Sixteen attackers with what they send live in this process too, and garbage is collected when V8 likes.
  expect(peakBytes).toBeLessThan(800 * megabyte);
}

describe.each([1, 2, 3])("a lot of junk, seed %d", (seed) => {
  it("at the API's socket", async () => {
    await using target = await apiTarget();
    await survives("api", { ...target, attacks: target.attacks(times, seed) });
  });

  it("at a proxy's socket", async () => {
    await using target = await xdsSocketTarget();
    await survives("xds socket", { ...target, attacks: target.attacks(times, seed) });
  });

  it("at the TLS port", async () => {
    await using target = await tlsTarget();
    await survives("tls handshake", { ...target, connect: target.connectRaw, attacks: target.rawAttacks(times, seed) });
    await survives("tls", { ...target, attacks: target.attacks(times, seed) });
  });

  it("at the DNS server", async () => {
    await using target = await dnsTarget();
    await survives("dns", { ...target, attacks: target.attacks(times, seed) });
    const dns = newDnsServer();
    const dice = new Dice(seed);
    for (let round = 0; round < 100_000; round += 1) {
      const query = oddQuery(dice);
      if (query.length >= 12) expect((await dns.answer(query, "shop")).length).toBeGreaterThanOrEqual(12);
    }
  });
});

it.each([
  ["the API", apiTarget],
  ["a proxy's socket", xdsSocketTarget],
  ["the TLS port", tlsTarget],
] as const)("a thousand connections to %s that say nothing keep nobody from it", async (_, make) => {
  await using target = await make();
  const idle: Duplex[] = [];
  for (let index = 0; index < 1000; index += 1) {
    const connection = target.connect();
    connection.on("error", () => {});
    idle.push(connection);
    // More at the same time than the kernel lets wait would be refused by it.
    if (index % 100 === 99) await target.exchange();
  }
  for (let round = 0; round < 20; round += 1) await target.exchange();
  for (const connection of idle) connection.destroy();
});

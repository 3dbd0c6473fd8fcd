// Every listener of the control plane stays up, with its memory bounded, and serves others while it is fed with junk. More of it: test/slow.

import { describe, expect, it } from "vitest";
import { type AttackOptions, attack } from "../harness/attack.ts";
import { Dice } from "../harness/junk.ts";
import { apiTarget, dnsTarget, newDnsServer, oddQuery, tlsTarget, xdsSocketTarget } from "../harness/junk-targets.ts";

const seed = 20_260;
const megabyte = 1024 * 1024;

async function survives(options: AttackOptions): Promise<void> {
  const { exchanges, keptBytes, peakBytes } = await attack({ ...options, parallel: 8 });
  expect(exchanges).toBeGreaterThan(0);
  expect(keptBytes).toBeLessThan(40 * megabyte);
  // Eight attackers with what they send live in this process too.
  expect(peakBytes).toBeLessThan(500 * megabyte);
}

describe("junk", () => {
  it("at the API's socket", async () => {
    await using target = await apiTarget();
    await survives({ ...target, attacks: target.attacks(1, seed) });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("at a proxy's socket", async () => {
    await using target = await xdsSocketTarget();
    await survives({ ...target, attacks: target.attacks(1, seed) });
  });

  it("at the TLS port", async () => {
    await using target = await tlsTarget();
    await survives({ ...target, connect: target.connectRaw, attacks: target.rawAttacks(1, seed) });
    await survives({ ...target, attacks: target.attacks(1, seed) });
  });

  it("at the DNS server by TCP", async () => {
    await using target = await dnsTarget();
    await survives({ ...target, attacks: target.attacks(1, seed) });
  });

  it("at the DNS server in single messages", async () => {
    const dns = newDnsServer();
    const dice = new Dice(seed);
    for (let round = 0; round < 5000; round += 1) {
      const query = oddQuery(dice);
      if (query.length >= 12) expect((await dns.answer(query, "shop")).length).toBeGreaterThanOrEqual(12);
    }
  });
});

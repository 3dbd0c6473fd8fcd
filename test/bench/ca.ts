// The certificate authority: CPU for 1,000 workload certificates, key included, and how long one of them holds up the event loop.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAuthority } from "../../src/ca/authority.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { summaryOf } from "./numbers.ts";

const target = { cpuSecondsPer1000: 1 };
const sizes = { full: { rounds: 7, certificates: 1000 }, quick: { rounds: 1, certificates: 100 } };

async function run(context: BenchContext): Promise<Outcome> {
  const { rounds, certificates } = context.quick ? sizes.quick : sizes.full;
  const directory = mkdtempSync(join(tmpdir(), "lateen-bench-ca-"));
  context.cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  const authority = openAuthority({ directory: join(directory, "ca"), trustDomain: "cluster.local" });
  const issue = (index: number) =>
    authority.issue({
      namespace: `ns-${index % 50}`,
      serviceAccount: `account-${index}`,
      workload: { name: `workload-${index}`, version: "v1" },
    });
  for (let index = 0; index < certificates / 2; index += 1) issue(index);
  const cpuSeconds: number[] = [];
  const eachMs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage();
    for (let index = 0; index < certificates; index += 1) {
      const start = performance.now();
      issue(index);
      eachMs.push(performance.now() - start);
    }
    const { user, system } = process.cpuUsage(before);
    cpuSeconds.push(((user + system) / 1e6) * (1000 / certificates));
    context.progress(`round ${round + 1} of ${rounds}: ${cpuSeconds.at(-1)?.toFixed(3)} s of CPU per 1,000`);
    // Signals are heard between the rounds.
    await new Promise((resolve) => setImmediate(resolve));
    context.signal.throwIfAborted();
  }
  const measured = { cpuSecondsPer1000: summaryOf(cpuSeconds, 3), eachMs: summaryOf(eachMs, 3), certificatesPerRound: certificates };
  return { measured, reached: { cpuSecondsPer1000: measured.cpuSecondsPer1000.median < target.cpuSecondsPer1000 } };
}

export const benchmark: Benchmark = {
  name: "ca",
  summary: "CPU for 1,000 workload certificates with their keys",
  target,
  run,
};

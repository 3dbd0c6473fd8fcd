// What mutual TLS and one ALLOW policy cost: CPU of both sidecars per request against the same way in plaintext, in interleaved pairs.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { cpuSeconds } from "./machine.ts";
import { countedBy, type MtlsWorld, type ServerSide, startMtlsWorld } from "./mtls-world.ts";
import { rounded, type Summary, summaryOf } from "./numbers.ts";
import type { Target } from "./pod-process.ts";

const counts = {
  full: { pairs: 10, seconds: 3, freshPairs: 5, freshSeconds: 2 },
  quick: { pairs: 2, seconds: 1, freshPairs: 1, freshSeconds: 1 },
};
const connections = 16;
const warmUpSeconds = 1;

/** One run against one server. */
interface Run {
  readonly cpuUs: number;
  readonly clientCpuUs: number;
  readonly serverCpuUs: number;
  /** Of one request at a time, when nothing else goes on. */
  readonly aloneMs: number;
  readonly requests: number;
  readonly failures: number;
  /** TLS handshakes of the server per request. */
  readonly handshakes: number;
}

interface Pair {
  readonly mutual: Run;
  readonly plaintext: Run;
}

async function run(context: BenchContext): Promise<Outcome> {
  const world = await startMtlsWorld(context);
  const { pairs, seconds, freshPairs, freshSeconds } = context.quick ? counts.quick : counts.full;
  const kept = await pairsOf(world, { context, what: "kept", pairs, seconds });
  await checkTransports(world);
  const fresh = await pairsOf(world, { context, what: "fresh", pairs: freshPairs, seconds: freshSeconds });
  await checkTransports(world);
  const requests = [...kept, ...fresh].flatMap(({ mutual, plaintext }) => [mutual, plaintext]);
  const failures = requests.reduce((sum, each) => sum + each.failures, 0);
  if (failures > 0) throw new Error(`${failures} requests failed, so what was measured is not what it should be`);
  const measured = {
    /** Requests over connections between the sidecars that stay open. */
    keptConnections: { ...comparison(kept), ...latency(kept) },
    /** A new connection between the sidecars for each request: the difference is a whole handshake at both of its ends (no session is resumed). */
    connectionPerRequest: { ...comparison(fresh), handshakesPerRequest: summaryOf(fresh.map(({ mutual }) => mutual.handshakes)) },
    requests: requests.reduce((sum, each) => sum + each.requests, 0),
  };
  return { measured, reached: {} };
}

interface PairsOptions {
  readonly context: BenchContext;
  readonly what: "kept" | "fresh";
  readonly pairs: number;
  readonly seconds: number;
}

/** The first runs open connections and fill caches and are not counted. */
async function pairsOf(world: MtlsWorld, { context, what, pairs, seconds }: PairsOptions): Promise<readonly Pair[]> {
  const { mutual, plaintext } = world;
  const measure = (server: ServerSide, length: number) => runOf(world, { server, target: server[what], seconds: length });
  for (const server of [mutual, plaintext]) await measure(server, warmUpSeconds);
  const samples: Pair[] = [];
  for (let index = 0; index < pairs; index += 1) {
    const isMutualFirst = index % 2 === 0;
    const first = await measure(isMutualFirst ? mutual : plaintext, seconds);
    const second = await measure(isMutualFirst ? plaintext : mutual, seconds);
    const pair = isMutualFirst ? { mutual: first, plaintext: second } : { mutual: second, plaintext: first };
    const [ours, theirs] = [rounded(pair.mutual.cpuUs), rounded(pair.plaintext.cpuUs)];
    context.progress(`${what} connections, pair ${index + 1} of ${pairs}: ${ours} µs with mutual TLS, ${theirs} µs in plaintext`);
    samples.push(pair);
  }
  return samples;
}

interface RunOptions {
  readonly server: ServerSide;
  readonly target: Target;
  readonly seconds: number;
}

async function runOf({ client }: MtlsWorld, { server, target, seconds }: RunOptions): Promise<Run> {
  const { handshakes: handshakesBefore } = await countedBy(server);
  const before = { client: cpuSeconds(client.pid), server: cpuSeconds(server.pid) };
  const { requests, failures } = await client.pod.load(target, { seconds, connections });
  const clientCpuUs = ((cpuSeconds(client.pid) - before.client) * 1e6) / requests;
  const serverCpuUs = ((cpuSeconds(server.pid) - before.server) * 1e6) / requests;
  const handshakes = ((await countedBy(server)).handshakes - handshakesBefore) / requests;
  const alone = await client.pod.load(target, { seconds: seconds / 2, connections: 1 });
  return {
    cpuUs: clientCpuUs + serverCpuUs,
    clientCpuUs,
    serverCpuUs,
    aloneMs: alone.medianMs,
    requests: requests + alone.requests,
    failures: failures + alone.failures,
    handshakes,
  };
}

/** @throws Error when one side did not do what it is measured for. */
async function checkTransports({ mutual, plaintext }: MtlsWorld): Promise<void> {
  const secure = await countedBy(mutual);
  const open = await countedBy(plaintext);
  if (secure.handshakes === 0) throw new Error("the server with mutual TLS has seen no handshake");
  if (secure.allowed === 0) throw new Error("the policy has let nothing in");
  if (open.handshakes > 0) throw new Error(`the plaintext server has seen ${open.handshakes} handshakes`);
  if (open.allowed > 0) throw new Error("a policy decided at the plaintext server");
}

function comparison(pairs: readonly Pair[]) {
  const over = (pick: (pair: Pair) => number, digits = 2): Summary => summaryOf(pairs.map(pick), digits);
  return {
    mutualCpuUs: over(({ mutual }) => mutual.cpuUs),
    plaintextCpuUs: over(({ plaintext }) => plaintext.cpuUs),
    ratio: over(({ mutual, plaintext }) => mutual.cpuUs / plaintext.cpuUs, 3),
    addedCpuUs: over(({ mutual, plaintext }) => mutual.cpuUs - plaintext.cpuUs),
    addedClientCpuUs: over(({ mutual, plaintext }) => mutual.clientCpuUs - plaintext.clientCpuUs),
    addedServerCpuUs: over(({ mutual, plaintext }) => mutual.serverCpuUs - plaintext.serverCpuUs),
  };
}

/** Of one request at a time: under full load it would say how many wait, not how long one takes. */
function latency(pairs: readonly Pair[]) {
  return {
    mutualMedianMs: summaryOf(
      pairs.map(({ mutual }) => mutual.aloneMs),
      3,
    ),
    plaintextMedianMs: summaryOf(
      pairs.map(({ plaintext }) => plaintext.aloneMs),
      3,
    ),
    addedMedianMs: summaryOf(
      pairs.map(({ mutual, plaintext }) => mutual.aloneMs - plaintext.aloneMs),
      3,
    ),
  };
}

export const benchmark: Benchmark = {
  name: "mtls-cost",
  summary: "CPU per request of two sidecars with mutual TLS and one ALLOW policy against plaintext",
  target: {},
  run,
};

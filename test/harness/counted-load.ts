// Load of every kind on the server of prometheus-mesh.ts, counted by its client.

import type { LoadSummary, TestMesh } from "./mesh.ts";

/** Everything that the client sends, counted by it. */
export interface Sent {
  readonly ok: Answered;
  readonly failed: number;
  readonly aborted: number;
  readonly slow: number;
  readonly grpc: Readonly<Record<string, number>>;
  readonly tcp: { readonly connections: number; readonly sent: number; readonly received: number };
}

type Answered = Pick<LoadSummary, "total" | "byStatus" | "byVersion">;

/** Once or more, until both versions have answered: each has a series of its own. */
async function fromBoth(load: () => Promise<Pick<LoadSummary, "byStatus" | "byVersion">>): Promise<Answered> {
  const byStatus: Record<string, number> = {};
  const byVersion: Record<string, number> = {};
  const add = (sums: Record<string, number>, more: Readonly<Record<string, number>>) => {
    for (const [key, count] of Object.entries(more)) sums[key] = (sums[key] ?? 0) + count;
  };
  while (byVersion["v1"] === undefined || byVersion["v2"] === undefined) {
    const answered = await load();
    add(byStatus, answered.byStatus);
    add(byVersion, answered.byVersion);
  }
  return { total: Object.values(byStatus).reduce((sum, count) => sum + count, 0), byStatus, byVersion };
}

/** Sends requests that succeed, fail, are aborted and are slow, calls of gRPC, and bytes over TCP connections that stay open; `times` as many of each. */
export async function sendCounted(mesh: TestMesh, times: number): Promise<Sent> {
  const ok = await fromBoth(() => mesh.load("client", "http://server/ok", { count: 40 * times }));
  const failed = await fromBoth(() => mesh.load("client", "http://server/?status=500", { count: 10 * times }));
  const aborted = await mesh.load("client", "http://server/abort", { count: 5 * times });
  const slow = await mesh.load("client", "http://server/slow", { count: 8 * times });
  const calls = { kind: "grpc-burst", origin: "http://server:81", count: 12 * times };
  const grpc = await fromBoth(async () => (await mesh.run("client", calls)) as Answered);
  const tcp = { connections: 0, sent: 0, received: 0 };
  for (let index = 0; index < 3 * times; index += 1) {
    const text = `hello ${"x".repeat(1000)}`;
    const id = `tcp-${times}-${index}`;
    const greeting = String(await mesh.run("client", { kind: "tcp-open", id, host: "server", port: 83 }));
    const answer = String(await mesh.run("client", { kind: "tcp-say", id, text }));
    tcp.connections += 1;
    tcp.sent += greeting.length + answer.length;
    tcp.received += text.length;
  }
  return {
    ok,
    failed: failed.byStatus["500"] ?? 0,
    aborted: aborted.byStatus["503"] ?? 0,
    slow: slow.byStatus["200"] ?? 0,
    grpc: grpc.byStatus,
    tcp,
  };
}

/** How many requests and calls there were. */
export function requestsIn({ ok, failed, aborted, slow, grpc }: Sent): number {
  return ok.total + failed + aborted + slow + Object.values(grpc).reduce((sum, count) => sum + count, 0);
}

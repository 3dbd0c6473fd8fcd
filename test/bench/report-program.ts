// The process of telemetry-world.ts: proxies without an Envoy, which report once a second over their own control-plane sockets.

import { Client, credentials } from "@grpc/grpc-js";
import { z } from "zod";
import { serveCalls } from "./ipc-calls.ts";
import { ProxyReport } from "./proxy-report.ts";

const startSchema = z.object({
  proxies: z.array(z.object({ socketPath: z.string(), calls: z.array(z.string()), callers: z.array(z.string()) })),
  namespace: z.string(),
  requestsPerSecond: z.number(),
});

const exportPath = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const asIs = (bytes: Buffer): Buffer => bytes;

interface Sender {
  readonly client: Client;
  readonly report: ProxyReport;
}

let senders: readonly Sender[] = [];
let timer: NodeJS.Timeout | undefined;
let sent = { reports: 0, bytes: 0, refused: 0 };

function start(input: unknown): void {
  const { proxies, namespace, requestsPerSecond } = startSchema.parse(input);
  senders = proxies.map(({ socketPath, calls, callers }) => ({
    client: new Client(`unix:${socketPath}`, credentials.createInsecure()),
    report: new ProxyReport({ calls, callers, namespace, requestsPerSecond }, Date.now()),
  }));
  clearInterval(timer);
  // As Envoys do, each at its own moment of the second.
  timer = setInterval(() => {
    for (const [index, sender] of senders.entries()) setTimeout(() => send(sender), (1000 * index) / senders.length);
  }, 1000);
}

function send({ client, report }: Sender): void {
  report.count();
  const bytes = Buffer.from(report.bytes(Date.now()));
  client.makeUnaryRequest(exportPath, asIs, asIs, bytes, (error) => {
    if (error !== null) sent.refused += 1;
  });
  sent.reports += 1;
  sent.bytes += bytes.length;
}

function receipt() {
  const since = sent;
  sent = { reports: 0, bytes: 0, refused: 0 };
  return since;
}

serveCalls({ start, receipt });

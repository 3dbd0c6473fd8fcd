// A process of telemetry-transport.ts: what a control plane does to have one proxy's counts as points, by one of two ways. Takes the reports of Envoy's
// stat sink, or asks Envoy's admin once a second. What is done with points after that is the same for both.

import { Server, ServerCredentials } from "@grpc/grpc-js";
import { z } from "zod";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { parseOtlpMetrics } from "../../src/telemetry/otlp-metrics.ts";
import { type Point, seriesKey } from "../../src/telemetry/point.ts";
import { exportMethods } from "../../src/xds/proxy-exports.ts";
import { adminForms } from "./admin-points.ts";
import { serveCalls } from "./ipc-calls.ts";

const serveSchema = z.object({ socketPath: z.string() });
const againSchema = z.object({ times: z.number() });
const pollSchema = z.object({ adminPath: z.string(), form: z.enum(["json", "prometheus"]) });

/** What came last, and how it is read. */
let last: () => readonly Point[] = () => [];
let points: readonly Point[] = [];
let since = { readings: 0, bytes: 0 };
let timer: NodeJS.Timeout | undefined;

function take(read: () => readonly Point[], bytes: number): void {
  last = read;
  points = read();
  since = { readings: since.readings + 1, bytes: since.bytes + bytes };
}

/** A gRPC server for the sink. */
async function serve(input: unknown): Promise<void> {
  const { socketPath } = serveSchema.parse(input);
  const server = new Server();
  server.addService(
    { metrics: exportMethods.metrics },
    {
      metrics: ({ request }: { readonly request: Buffer }, answer: (error: null, bytes: Buffer) => void) => {
        take(() => parseOtlpMetrics(request).flatMap((sender) => sender.points), request.length);
        answer(null, Buffer.alloc(0));
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socketPath}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Asks once a second from now on. */
function poll(input: unknown): void {
  const { adminPath, form } = pollSchema.parse(input);
  const { path, pointsOf } = adminForms[form];
  clearInterval(timer);
  timer = setInterval(() => {
    askAdmin(adminPath, "GET", path).then(
      ({ body }) => take(() => pointsOf(body), Buffer.byteLength(body)),
      (error: unknown) => process.stderr.write(`${String(error)}\n`),
    );
  }, 1000);
}

/** Readings since the last time, and their bytes. */
function receipt() {
  const result = since;
  since = { readings: 0, bytes: 0 };
  return result;
}

/** CPU time of reading the last report once more, in milliseconds, by a program that has read many. */
function again(input: unknown): number {
  const { times } = againSchema.parse(input);
  const before = process.cpuUsage();
  for (let left = times; left > 0; left -= 1) last();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / times;
}

/** The newest reading's series of Istio's metrics, by name and tags, with how many requests they count. */
function counted(): readonly (readonly [string, number])[] {
  return points
    .filter(({ name }) => name.startsWith("istio_"))
    .map((point) => [seriesKey(point), point.kind === "histogram" ? point.counts.reduce((sum, count) => sum + count, 0) : point.value]);
}

serveCalls({ serve, poll, stop: () => clearInterval(timer), receipt, again, counted });

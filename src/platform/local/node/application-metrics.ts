// What an application in a pod shows of itself: one GET straight to it, never through its proxy → families. Bounded in time and size.

import { get, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Unavailable } from "../../../lib/errors.ts";
import type { ApplicationTarget } from "../../../telemetry/prometheus/application-target.ts";
import type { Family } from "../../../telemetry/prometheus/family.ts";
import { TextParser } from "../../../telemetry/prometheus/parse-text.ts";

const maxBytes = 32 * 1024 * 1024;
const accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1,*/*;q=0.1";

export interface ApplicationAnswer {
  readonly families: readonly Family[];
  /** Lines that couldn't be read and samples beyond the limit. */
  readonly lost: number;
}

/** Asks and reads. `connect` opens a connection to a port of the pod. @throws Unavailable that says why there are none. */
export async function applicationMetrics(
  target: ApplicationTarget,
  { connect, timeoutMs }: { readonly connect: (port: number) => Promise<Socket>; readonly timeoutMs: number },
): Promise<ApplicationAnswer> {
  const socket = await connect(target.port);
  const timer = setTimeout(() => socket.destroy(new Error(`no whole answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await read(await answerOf(target, socket));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`port ${target.port}, ${target.path}: ${reason}`, { cause: error });
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function answerOf(target: ApplicationTarget, socket: Socket): Promise<IncomingMessage> {
  // As Istio's agent: its own application, in its own pod.
  const connection = target.scheme === "https" ? connectTls({ socket, rejectUnauthorized: false }) : socket;
  const headers = { host: `localhost:${target.port}`, accept, "user-agent": "lateen", "accept-encoding": "identity", connection: "close" };
  return new Promise((resolve, reject) => {
    // No agent: one would make a connection of its own.
    const asked = get({ createConnection: () => connection, path: target.path, headers }, resolve);
    asked.once("error", reject);
    connection.once("error", reject);
    connection.once("close", () => reject(new Error("the connection ended before the answer")));
  });
}

async function read(response: IncomingMessage): Promise<ApplicationAnswer> {
  if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode ?? 0}`);
  const parser = new TextParser();
  let size = 0;
  response.setEncoding("utf8");
  for await (const chunk of response) {
    const piece = String(chunk);
    size += piece.length;
    if (size > maxBytes) throw new Error("more than 32 MiB");
    parser.push(piece);
  }
  const { families, broken, dropped } = parser.end();
  if (families.length === 0 && broken > 0) throw new Error("no metrics in it");
  return { families, lost: broken + dropped };
}

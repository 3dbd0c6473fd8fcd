// Runs one probe against the application of a pod: httpGet, tcpSocket, grpc or exec. Never rejects: what goes wrong is the result.

import { get, type IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { connectToApplication } from "./pod-connect.ts";
import type { ProbeAction, ProbeOptions, ProbeResult } from "./sandbox.ts";

/** Where the pod is. */
export interface ProbedPod {
  readonly net: number;
  readonly ip: string;
}

type HttpGet = Extract<ProbeAction, { kind: "httpGet" }>;
type Grpc = Extract<ProbeAction, { kind: "grpc" }>;
type Exec = Extract<ProbeAction, { kind: "exec" }>;

const success = (reason: string): ProbeResult => ({ success: true, reason });
const failure = (reason: string): ProbeResult => ({ success: false, reason });
const userAgent = "kube-probe/lateen";

function deadlineOf(timeoutMs: number): { timeout: Promise<ProbeResult>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<ProbeResult>((resolve) => {
    timer = setTimeout(() => resolve(failure(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  return { timeout, cancel: () => clearTimeout(timer) };
}

/** Kubernetes: 200 to 399 is success; redirects are not followed. */
function httpProbe(socket: Socket, action: HttpGet, address: string): Promise<ProbeResult> {
  const connection = action.scheme === "HTTPS" ? connectTls({ socket, rejectUnauthorized: false }) : socket;
  const headers: Record<string, string> = {
    host: `${address}:${action.port}`,
    "user-agent": userAgent,
    accept: "*/*",
    connection: "close",
  };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  return new Promise((resolve) => {
    const answered = (response: IncomingMessage): void => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? success(`HTTP ${status}`) : failure(`HTTP ${status}`));
    };
    // No agent: one would make a connection of its own.
    const asked = get({ createConnection: () => connection, path: action.path ?? "/", headers }, answered);
    asked.once("error", (error) => resolve(failure(error.message)));
    connection.once("error", (error) => resolve(failure(error.message)));
  });
}

/** A grpc.health.v1.HealthCheckRequest in its length-prefixed frame: field 1 is the service's name. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service).subarray(0, 127);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

function healthResult(body: Buffer, grpcStatus: string | undefined): ProbeResult {
  if (grpcStatus !== undefined && grpcStatus !== "0") return failure(`grpc-status ${grpcStatus}`);
  // HealthCheckResponse.status is field 1, a varint; SERVING = 1.
  const serving = body.length >= 7 && body[5] === 0x08 && body[6] === 1;
  return serving ? success("SERVING") : failure("not SERVING");
}

function grpcProbe(socket: Socket, action: Grpc, address: string): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${address}:${action.port}`, { createConnection: () => socket });
    session.once("error", (error) => resolve(failure(error.message)));
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": userAgent,
    });
    const body: Buffer[] = [];
    let grpcStatus: string | undefined;
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      if (typeof headers["grpc-status"] === "string") grpcStatus = headers["grpc-status"];
    };
    stream.once("response", note);
    stream.once("trailers", note);
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.once("error", (error) => resolve(failure(error.message)));
    stream.once("close", () => {
      session.destroy();
      resolve(healthResult(Buffer.concat(body), grpcStatus));
    });
    stream.end(healthRequest(action.service ?? ""));
  });
}

async function execProbe(action: Exec, timeoutMs: number): Promise<ProbeResult> {
  const result = await action.container.exec({ argv: action.command, timeoutMs });
  if (result.timedOut) return failure(`no end within ${timeoutMs} ms`);
  const said = result.output.trim().slice(0, 200);
  return result.exitCode === 0 ? success("exit code 0") : failure(`exit code ${result.exitCode}${said === "" ? "" : `: ${said}`}`);
}

async function networkProbe(pod: ProbedPod, action: Exclude<ProbeAction, Exec>, timeoutMs: number): Promise<ProbeResult> {
  const socket = await connectToApplication({ net: pod.net, address: pod.ip, port: action.port, timeoutMs });
  const { timeout, cancel } = deadlineOf(timeoutMs);
  try {
    if (action.kind === "tcpSocket") return success("connected");
    const answer = action.kind === "httpGet" ? httpProbe(socket, action, pod.ip) : grpcProbe(socket, action, pod.ip);
    return await Promise.race([answer, timeout]);
  } finally {
    cancel();
    socket.destroy();
  }
}

/** Runs one probe. */
export async function runProbe(pod: ProbedPod, action: ProbeAction, options: ProbeOptions): Promise<ProbeResult> {
  try {
    return action.kind === "exec" ? await execProbe(action, options.timeoutMs) : await networkProbe(pod, action, options.timeoutMs);
  } catch (error) {
    return failure(error instanceof Error ? error.message : String(error));
  }
}

// One HTTP request to an application in a pod, straight to its port, for the control plane: only the node reaches what listens in a pod.
// In: a request as JSON. Out: the answer's status, or why there is none. Bounded in time; the answer's body is thrown away.

import { type IncomingMessage, request, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { z } from "zod";
import { type CallReply, podCallSchema } from "../../../lib/pod-call.ts";

/** Of a request's description. */
const maxBytes = 16_384;

export interface CallExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Connects to a port of the pod. */
export type Dial = (port: number, options: { readonly timeoutMs: number }) => Promise<Socket>;

/** Answers the control plane with a CallReply, or 400 when it isn't a call. */
export async function answerCall({ request: asked, response }: CallExchange, dial: Dial): Promise<void> {
  const call = podCallSchema.safeParse(await bodyOf(asked).catch(() => undefined));
  if (!call.success) {
    response.writeHead(400, { "content-type": "text/plain" });
    response.end(`${z.prettifyError(call.error)}\n`);
    return;
  }
  const reply = await callApplication(call.data, dial);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(reply));
}

async function bodyOf(asked: IncomingMessage): Promise<unknown> {
  let text = "";
  asked.setEncoding("utf8");
  for await (const chunk of asked) {
    text += String(chunk);
    if (text.length > maxBytes) return undefined;
  }
  return JSON.parse(text);
}

async function callApplication({ port, timeoutMs, ...call }: z.output<typeof podCallSchema>, dial: Dial): Promise<CallReply> {
  let socket: Socket | undefined;
  let timer: NodeJS.Timeout | undefined;
  try {
    const connected = await dial(port, { timeoutMs });
    socket = connected;
    timer = setTimeout(() => connected.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    return { status: await statusOf(call, connected) };
  } catch (error) {
    return { problem: `port ${port}: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    clearTimeout(timer);
    socket?.destroy();
  }
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly host: string;
}

function statusOf({ method, path, host }: Call, socket: Socket): Promise<number> {
  const headers = { host, "user-agent": "lateen", "accept-encoding": "identity", connection: "close" };
  return new Promise((resolve, reject) => {
    // No agent: one would make a connection of its own.
    const call = request({ createConnection: () => socket, method, path, headers }, ({ statusCode = 0 }) => resolve(statusCode));
    call.once("error", reject);
    // The call's own listeners may be gone by then.
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection ended before the answer")));
    call.end();
  });
}

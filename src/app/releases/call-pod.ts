// One HTTP request to an application in a pod, sent by the node on the control plane's behalf, over the node's Unix socket.

import { request } from "node:http";
import { type CallReply, callReplySchema, type PodCall } from "../../lib/pod-call.ts";

/** Asks for a request to an application; a node that can't be asked is a problem like any other. Never rejects. */
export type CallPod = (pod: { readonly namespace: string; readonly name: string }, call: PodCall) => Promise<CallReply>;

/** What the node needs beyond the request's own time. */
const graceMs = 2000;
/** The node's answer is a line. */
const maxBytes = 65_536;

/** Calls through the node that listens at `socketPath`. */
export function callThroughNode(socketPath: string): CallPod {
  return async ({ namespace, name }, call) => {
    try {
      const path = `/pods/${namespace}/${name}/call`;
      const { status, text } = await post({ socketPath, path, timeoutMs: call.timeoutMs + graceMs }, JSON.stringify(call));
      if (status !== 200) return { problem: text.trim().slice(0, 200) };
      return callReplySchema.parse(JSON.parse(text));
    } catch (error) {
      return { problem: `the node doesn't answer: ${error instanceof Error ? error.message : String(error)}` };
    }
  };
}

interface Target {
  readonly socketPath: string;
  readonly path: string;
  readonly timeoutMs: number;
}

function post({ timeoutMs, ...target }: Target, body: string): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host: "node", "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = request({ ...target, method: "POST", headers, agent: false, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (text.length > maxBytes) asked.destroy(new Error("it says too much"));
      });
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 500, text }));
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

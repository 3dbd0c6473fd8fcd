// One HTTP call to an address that a Release names, for webhooks and metrics: only to public addresses or allowed ones, connected to the very address that
// was checked, redirects not followed, time and size limited.

import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import type { FetchAllowance } from "../../api/security/fetch-allowance.ts";
import { codeOf } from "../../lib/errors.ts";
import { refusalOfAddress } from "../jwks/address-policy.ts";
import { fixedLookup, type Resolve, resolveName } from "../jwks/fetch-text.ts";

export interface CallOptions {
  readonly allowance: () => FetchAllowance;
  /** Of the whole call, DNS included. */
  readonly timeoutMs: number;
  /** Of the answer; what is beyond is a problem. */
  readonly maxBytes: number;
  readonly resolve?: Resolve;
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The answer, whatever its status, or why there is none. */
export type CallResult = { readonly status: number; readonly text: string } | { readonly problem: string };

/** Loopback addresses: on a laptop whoever writes Releases owns the machine. */
export const loopback: FetchAllowance = { hosts: [], ranges: ["127.0.0.0/8", "::1/128"] };

/** Calls. Never rejects. */
export async function callAddress({ url: text, ...call }: Call, options: CallOptions): Promise<CallResult> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return { problem: "it is no http:// or https:// address" };
  const signal = AbortSignal.timeout(options.timeoutMs);
  try {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const family = isIP(host);
    const addresses = family === 0 ? await (options.resolve ?? resolveName)(host) : [{ address: host, family }];
    const allowance = options.allowance();
    const refusal = addresses.map(({ address }) => refusalOfAddress(host, address, allowance)).find((reason) => reason !== undefined);
    if (refusal !== undefined) return { problem: refusal };
    if (addresses.length === 0) return { problem: `${host} has no address` };
    return await answerOf(await send(url, { ...call, lookup: fixedLookup(addresses), signal }), options.maxBytes);
  } catch (error) {
    if (signal.aborted) return { problem: `no answer within ${options.timeoutMs} ms` };
    const code = codeOf(error);
    return { problem: `it can't be reached${code === undefined ? "" : ` (${code})`}` };
  }
}

interface Sent extends Omit<Call, "url"> {
  readonly lookup: ReturnType<typeof fixedLookup>;
  readonly signal: AbortSignal;
}

function send(url: URL, { method, headers = {}, body, lookup, signal }: Sent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const options = {
      method,
      // A connection of its own: one from a pool could lead to an address nobody checked.
      agent: false,
      lookup,
      signal,
      headers: { "accept-encoding": "identity", "user-agent": "lateen", ...headers, ...length },
      maxHeaderSize: 16_384,
    };
    const call = url.protocol === "https:" ? requestHttps(url, options, resolve) : requestHttp(url, options, resolve);
    call.on("error", reject);
    call.end(body);
  });
}

async function answerOf(response: IncomingMessage, maxBytes: number): Promise<CallResult> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of response) {
      if (!Buffer.isBuffer(part)) continue;
      size += part.length;
      if (size > maxBytes) return { problem: `its answer is longer than ${maxBytes} bytes` };
      parts.push(part);
    }
    return { status: response.statusCode ?? 0, text: Buffer.concat(parts).toString("utf8") };
  } finally {
    response.destroy();
  }
}

// One HTTPS GET to an address that a user wrote: only to public addresses or allowed ones, connected to the very address that was checked (so no
// second DNS answer counts), each redirect checked like the first address, size and time limited. The answer's text goes to the caller only.

import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { FetchAllowance } from "../../api/security/fetch-allowance.ts";
import { codeOf } from "../../lib/errors.ts";
import { refusalOfAddress } from "./address-policy.ts";

/** All addresses of a name; tests pass their own. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

export interface FetchOptions {
  readonly allowance: FetchAllowance;
  /** Of the whole fetch, DNS and redirects included. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Roots besides those of Node, PEM. */
  readonly roots?: readonly string[];
  readonly signal?: AbortSignal;
  readonly resolve?: Resolve;
}

export type FetchResult = { readonly text: string } | { readonly problem: string };

const maxRedirects = 3;

/** The body of a 200 answer, or why there is none: one sentence that tells nothing of what was answered. */
export async function fetchText(address: string, options: FetchOptions): Promise<FetchResult> {
  const signal = AbortSignal.any([AbortSignal.timeout(options.timeoutMs), ...(options.signal === undefined ? [] : [options.signal])]);
  let next = address;
  try {
    for (let hop = 0; hop <= maxRedirects; hop += 1) {
      const hopResult = await oneHop(next, options, signal);
      if (!("redirect" in hopResult)) return hopResult;
      next = hopResult.redirect;
    }
    return { problem: `it redirects more than ${maxRedirects} times` };
  } catch (error) {
    if (signal.aborted) return { problem: `no answer within ${options.timeoutMs} ms` };
    return { problem: problemOf(error) };
  }
}

type Hop = FetchResult | { readonly redirect: string };

async function oneHop(address: string, options: FetchOptions, signal: AbortSignal): Promise<Hop> {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || url.protocol !== "https:") return { problem: "it isn't an https:// address, or redirects to another" };
  if (url.username !== "" || url.password !== "") return { problem: "the address contains a password" };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = await withSignal(isIP(host) === 0 ? (options.resolve ?? resolveName)(host) : literal(host), signal);
  const refusal = addresses.map(({ address: at }) => refusalOfAddress(host, at, options.allowance)).find((reason) => reason !== undefined);
  if (refusal !== undefined) return { problem: refusal };
  if (addresses.length === 0) return { problem: `${host} has no address` };
  const response = await get(url, { addresses, signal, roots: options.roots });
  return answerOf(response, { url, maxBytes: options.maxBytes });
}

function literal(host: string): Promise<readonly LookupAddress[]> {
  return Promise.resolve([{ address: host, family: isIP(host) }]);
}

/** Of Node's four threads, which files need as well: names that nobody answers for must not take them all. */
const lookupsAtATime = 2;
const lookups: { active: number; readonly waiting: (() => void)[] } = { active: 0, waiting: [] };

/** The machine's own resolver, hosts file included. */
export const resolveName: Resolve = async (host) => {
  while (lookups.active >= lookupsAtATime) await new Promise<void>((resolve) => lookups.waiting.push(resolve));
  lookups.active += 1;
  try {
    return await new Promise((resolve, reject) => {
      dnsLookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
    });
  } finally {
    lookups.active -= 1;
    lookups.waiting.shift()?.();
  }
};

interface GetOptions {
  readonly addresses: readonly LookupAddress[];
  readonly signal: AbortSignal;
  readonly roots: readonly string[] | undefined;
}

function get(url: URL, { addresses, signal, roots }: GetOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      // A connection of its own: one from a pool could lead to an address nobody checked, and a proxy of the environment to any.
      agent: false,
      lookup: fixedLookup(addresses),
      signal,
      headers: { accept: "application/json", "accept-encoding": "identity", "user-agent": "lateen" },
      maxHeaderSize: 16_384,
      ...(roots === undefined ? {} : { ca: [...roots] }),
    });
    call.on("response", resolve);
    call.on("error", reject);
    call.end();
  });
}

/** Answers every question with the addresses that were checked. */
export function fixedLookup(addresses: readonly LookupAddress[]): LookupFunction {
  const [first] = addresses;
  return (_, { all }, callback) => {
    if (all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? "", first?.family);
  };
}

async function answerOf(response: IncomingMessage, { url, maxBytes }: { readonly url: URL; readonly maxBytes: number }): Promise<Hop> {
  const { statusCode: status = 0, headers } = response;
  try {
    if ([301, 302, 303, 307, 308].includes(status)) {
      const { location } = headers;
      if (location === undefined || !URL.canParse(location, url.href)) return { problem: `it answered ${status} without a place to go to` };
      return { redirect: new URL(location, url).href };
    }
    if (status !== 200) return { problem: `it answered ${status}` };
    if ((headers["content-encoding"] ?? "identity") !== "identity") return { problem: "it answered compressed, unasked" };
    return await bodyOf(response, maxBytes);
  } finally {
    response.destroy();
  }
}

async function bodyOf(response: IncomingMessage, maxBytes: number): Promise<FetchResult> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    if (!Buffer.isBuffer(part)) continue;
    size += part.length;
    if (size > maxBytes) return { problem: `its answer is longer than ${maxBytes} bytes` };
    parts.push(part);
  }
  return response.complete ? { text: Buffer.concat(parts).toString("utf8") } : { problem: "its answer broke off" };
}

/** DNS look-ups can't be stopped, but nobody needs to wait for them. */
function withSignal<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error("aborted"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** By Node's error code only: messages may name addresses. */
function problemOf(error: unknown): string {
  const code = codeOf(error) ?? "";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its host name can't be resolved";
  if (/^(?:ERR_TLS|CERT|UNABLE|SELF_SIGNED|DEPTH|ERR_SSL|EPROTO)/.test(code)) return `its certificate or TLS is not acceptable (${code})`;
  return `it can't be reached${/^[A-Z_0-9]{1,40}$/.test(code) ? ` (${code})` : ""}`;
}

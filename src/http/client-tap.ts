// Reads GET /lateen/v1/tap, line by line, until it ends.

import { MeshError } from "../lib/errors.ts";
import { linesOf } from "./client-lines.ts";
import type { TapLine, TapQuery } from "./tap-contract.ts";
import { errorOf, type Transport } from "./transport.ts";

/** Lines until the signal aborts. @throws Unavailable when the control plane is or goes away, NotFound for a party that isn't there. */
export async function* tapLines(transport: Transport, query: TapQuery, signal: AbortSignal): AsyncGenerator<TapLine, void, undefined> {
  const texts = Object.entries(query).map(([name, value]) => [name, value === undefined ? undefined : String(value)] as const);
  const response = await transport.open({
    method: "GET",
    path: "/lateen/v1/tap",
    query: Object.fromEntries(texts),
    signal,
    idleMs: 0,
  });
  if (response.statusCode !== 200) {
    response.setEncoding("utf8");
    let text = "";
    for await (const chunk of response) text += String(chunk);
    throw errorOf(response.statusCode ?? 0, parsedJson(text));
  }
  for await (const line of linesOf(response, "the tap")) {
    const parsed: TapLine = JSON.parse(line);
    yield parsed;
  }
  if (!signal.aborted) throw new MeshError("unavailable", "the control plane ended the tap");
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

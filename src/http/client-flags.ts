// The part of the client that asks for flags, as an application would by OFREP.

import { MeshError } from "../lib/errors.ts";
import type { FlagEvaluation, FlagFailure, FlagList } from "./flags-contract.ts";
import type { Transport } from "./transport.ts";

export interface FlagsClient {
  /** A failure is an answer: the flag doesn't exist, or the context doesn't say enough. @throws Unavailable */
  evaluate(namespace: string, key: string, context: object): Promise<FlagEvaluation | FlagFailure>;
  /** All flags of a namespace. @throws Unavailable */
  evaluateAll(namespace: string, context: object): Promise<FlagList>;
}

export function createFlagsClient(transport: Transport): FlagsClient {
  const ask = async <T>(path: string, namespace: string, context: object): Promise<T> => {
    const response = await transport.open({ method: "POST", path, query: { namespace }, body: { context } });
    response.setEncoding("utf8");
    let text = "";
    for await (const chunk of response) text += String(chunk);
    const { statusCode = 0 } = response;
    if (statusCode !== 200 && statusCode !== 400 && statusCode !== 404)
      throw new MeshError("unavailable", `the control plane answered ${statusCode}: ${text.slice(0, 200)}`);
    // Our own server's answers follow flags-contract.ts; they are not checked again.
    const answer: T = JSON.parse(text);
    return answer;
  };
  return {
    evaluate: (namespace, key, context) => ask(`/ofrep/v1/evaluate/flags/${encodeURIComponent(key)}`, namespace, context),
    evaluateAll: (namespace, context) => ask("/ofrep/v1/evaluate/flags", namespace, context),
  };
}

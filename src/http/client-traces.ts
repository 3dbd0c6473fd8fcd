// The client's side of /lateen/v1/traces.

import type { TraceList, TracesQuery, TraceView } from "./traces-contract.ts";
import type { Transport } from "./transport.ts";

export interface TracesClient {
  /** Newest first; 20 unless a limit is given. */
  search(query?: Partial<TracesQuery>): Promise<TraceList>;
  /** By its id or the first digits. @throws NotFound when it isn't kept. */
  get(id: string): Promise<TraceView>;
}

export function createTracesClient(transport: Transport): TracesClient {
  const ask = async <T>(path: string, query: Readonly<Record<string, string | number | undefined>> = {}): Promise<T> => {
    const answer: T = JSON.parse((await transport.send({ method: "GET", path: `/lateen/v1/${path}`, query })).text);
    return answer;
  };
  return {
    search: ({ onlyErrors, attributes, ...query } = {}) =>
      ask("traces", {
        ...query,
        onlyErrors: onlyErrors === undefined ? undefined : String(onlyErrors),
        attributes: attributes === undefined ? undefined : JSON.stringify(attributes),
      }),
    get: (id) => ask(`traces/${encodeURIComponent(id)}`),
  };
}

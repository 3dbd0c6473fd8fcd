// What a field of a VirtualService's http route must do on a real Envoy: the shape of the tables that behaviour.test.ts runs.
// A host per case; destinations "a", "b", "c" are services of namespace default, "dead" refuses connections.

export interface Expectation {
  /** Default 200. */
  readonly status?: number;
  /** "a", "a/v1" (a subset) or "a:8080"; null: no upstream may see the request. */
  readonly to?: string | null;
  /** The path the upstream sees. */
  readonly path?: string;
  /** Headers the upstream sees; null: absent. */
  readonly seen?: Readonly<Record<string, string | null>>;
  /** Headers of the response; null: absent. */
  readonly got?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** How many requests arrive at the upstreams, mirrors included. */
  readonly arrivals?: number;
  /** No answer before. */
  readonly atLeastMs?: number;
  /** Clusters that see a copy. */
  readonly mirroredTo?: readonly string[];
}

export interface Step extends Expectation {
  readonly ask?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Overrides the case's host. */
  readonly host?: string;
}

export interface Case {
  readonly name: string;
  /** spec.http of the VirtualService. */
  readonly http: readonly object[];
  readonly steps: readonly Step[];
}

/** A route to one service. */
export const to = (host: string, more: object = {}): object => ({ route: [{ destination: { host } }], ...more });

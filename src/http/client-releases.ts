// The part of the client that speaks of releases.

import type { PersonInput } from "../release/observation.ts";
import type { PlanReply, ReleaseView, ReplayReply, ReplayRequest } from "./release-contract.ts";
import type { ApiRequest } from "./transport.ts";

/** Errors of all calls: NotFound, Unavailable (socket gone), MeshError otherwise. */
export interface ReleasesClient {
  list(): Promise<readonly ReleaseView[]>;
  get(namespace: string, name: string): Promise<ReleaseView>;
  plan(namespace: string, name: string): Promise<PlanReply>;
  /** Resolves once it is stored, so that nothing can lose it. */
  ask(namespace: string, name: string, input: Omit<PersonInput, "seq">): Promise<{ readonly seq: number }>;
  /** Judges a recorded run again; `run` is the ReleaseRun's name. */
  replay(namespace: string, run: string, request: ReplayRequest): Promise<ReplayReply>;
}

type Send = <T>(route: string, options?: Partial<Pick<ApiRequest, "method" | "body">>) => Promise<T>;

/** Over the client's own way to send. */
export function createReleasesClient(send: Send): ReleasesClient {
  const path = (namespace: string, name: string, rest = "") =>
    `releases/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}${rest}`;
  return {
    list: async () => (await send<{ readonly releases: readonly ReleaseView[] }>("releases")).releases,
    get: (namespace, name) => send(path(namespace, name)),
    plan: (namespace, name) => send(path(namespace, name, "/plan")),
    ask: (namespace, name, input) => send(path(namespace, name, "/inputs"), { method: "POST", body: input }),
    replay: (namespace, run, request) => send(path(namespace, run, "/replay"), { method: "POST", body: request }),
  };
}

// Routes of releases, /lateen/v1/releases/…, answered by the ReleasesView that app gives.

import type { FastifyInstance } from "fastify";
import type { PersonInput } from "../../release/observation.ts";
import { type ReleasesView, releaseInputSchema, releasePathSchema, replayRequestSchema } from "../release-contract.ts";
import { parsed } from "../request.ts";

export function addReleaseRoutes(app: FastifyInstance, view: ReleasesView): void {
  app.get("/lateen/v1/releases", () => ({ releases: view.releases() }));
  app.get("/lateen/v1/releases/:namespace/:name", (request) => {
    const { namespace, name } = parsed(releasePathSchema, request.params);
    return view.release(namespace, name);
  });
  app.get("/lateen/v1/releases/:namespace/:name/plan", (request) => {
    const { namespace, name } = parsed(releasePathSchema, request.params);
    return view.plan(namespace, name);
  });
  app.post("/lateen/v1/releases/:namespace/:name/inputs", (request) => {
    const { namespace, name } = parsed(releasePathSchema, request.params);
    return view.ask(namespace, name, inputOf(request.body));
  });
  app.post("/lateen/v1/releases/:namespace/:name/replay", (request) => {
    const { namespace, name } = parsed(releasePathSchema, request.params);
    return view.replay(namespace, name, parsed(replayRequestSchema, request.body ?? {}));
  });
}

function inputOf(body: unknown): Omit<PersonInput, "seq"> {
  const { percent, full, force, ...input } = parsed(releaseInputSchema, body);
  return {
    ...input,
    ...(percent === undefined ? {} : { percent }),
    ...(full === undefined ? {} : { full }),
    ...(force === undefined ? {} : { force }),
  };
}

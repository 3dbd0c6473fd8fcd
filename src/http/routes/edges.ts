// GET /lateen/v1/edges: the live graph.

import type { FastifyInstance } from "fastify";
import { edgesQuerySchema } from "../edges-contract.ts";
import type { AppOptions } from "../options.ts";
import { parsed } from "../request.ts";

export function addEdgesRoute(app: FastifyInstance, { view }: AppOptions): void {
  app.get("/lateen/v1/edges", (request) => view.edges(parsed(edgesQuerySchema, request.query)));
}

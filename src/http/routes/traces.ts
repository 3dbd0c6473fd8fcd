// Recent traces: GET /lateen/v1/traces?…, GET /lateen/v1/traces/<id>.

import type { FastifyInstance } from "fastify";
import { parsed } from "../request.ts";
import { type TracesView, tracePathSchema, tracesQuerySchema } from "../traces-contract.ts";

export function addTracesRoutes(app: FastifyInstance, traces: TracesView): void {
  app.get("/lateen/v1/traces", (request) => traces.search(parsed(tracesQuerySchema, request.query)));
  app.get("/lateen/v1/traces/:id", (request) => traces.get(parsed(tracePathSchema, request.params).id));
}

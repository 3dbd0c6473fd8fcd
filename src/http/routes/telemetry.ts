// GET /lateen/v1/stat: golden numbers of a window.

import type { FastifyInstance } from "fastify";
import { parsed } from "../request.ts";
import { type StatView, statQuerySchema } from "../telemetry-contract.ts";

export function addStatRoute(app: FastifyInstance, view: StatView): void {
  app.get("/lateen/v1/stat", (request) => view.stat(parsed(statQuerySchema, request.query)));
}

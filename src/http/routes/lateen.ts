// Lateen's own routes, /lateen/v1/…: the state of the mesh, answered by the MeshView that app gives.

import type { FastifyInstance } from "fastify";
import { acknowledgedQuerySchema, namesQuerySchema } from "../contract.ts";
import type { AppOptions } from "../options.ts";
import { parsed } from "../request.ts";
import { accessQuerySchema, podPathSchema } from "../security-contract.ts";

export function addLateenRoutes(app: FastifyInstance, { view, signal }: AppOptions): void {
  app.get("/lateen/v1/status", () => view.status());
  app.get("/lateen/v1/proxies", () => view.proxies());
  app.get("/lateen/v1/diagnostics", () => view.diagnostics());
  app.get("/lateen/v1/access", (request) => view.access(parsed(accessQuerySchema, request.query)));
  app.get("/lateen/v1/pods/:namespace/:name", (request) => {
    const { namespace, name } = parsed(podPathSchema, request.params);
    return view.describePod(namespace, name);
  });
  app.get("/lateen/v1/authority", () => view.authority());
  app.post("/lateen/v1/authority/renew", () => view.renewCertificates());
  app.post("/lateen/v1/authority/rotate-root", () => view.rotateRoot());
  app.post("/lateen/v1/authority/abort-rotation", () => view.abortRootRotation());
  app.get("/lateen/v1/names", async (request, reply) => {
    const { after, timeoutMs } = parsed(namesQuerySchema, request.query);
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return view.names(after, { timeoutMs, signal: AbortSignal.any([signal, gone.signal]) });
  });
  app.get("/lateen/v1/acknowledged", async (request, reply) => {
    const { revision, timeoutMs } = parsed(acknowledgedQuerySchema, request.query);
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return view.waitAcknowledged(revision, { timeoutMs, signal: AbortSignal.any([signal, gone.signal]) });
  });
}

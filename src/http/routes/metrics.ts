// What the node asks for when a pod is scraped: the series that the control plane has of its proxy.

import type { FastifyInstance } from "fastify";
import { type MetricsView, podMetricsPathSchema } from "../metrics-contract.ts";
import { parsed } from "../request.ts";

export function addMetricsRoutes(app: FastifyInstance, metrics: Pick<MetricsView, "proxy">): void {
  app.get("/lateen/v1/pods/:namespace/:name/metrics", (request) => {
    const { namespace, name } = parsed(podMetricsPathSchema, request.params);
    return metrics.proxy(namespace, name);
  });
}

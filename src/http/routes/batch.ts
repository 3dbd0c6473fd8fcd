// POST /lateen/v1/batch: many writes in one turn of the event loop, so that objects applied or deleted together reach the proxies together
// and no proxy ever sees a route whose subset is still to come. A write that fails stops no other.

import type { FastifyInstance } from "fastify";
import { MeshError } from "../../lib/errors.ts";
import { isJsonObject } from "../../store/json.ts";
import { type BatchAnswer, type BatchReply, type BatchWrite, batchSchema, deleteOptionsSchema } from "../contract.ts";
import { failureOf } from "../kube-api/kube-status.ts";
import { targetOf } from "../kube-api/target.ts";
import * as write from "../kube-api/write.ts";
import type { AppOptions } from "../options.ts";
import { parsed } from "../request.ts";

export function addBatchRoute(app: FastifyInstance, options: AppOptions): void {
  app.post("/lateen/v1/batch", (request): BatchReply => {
    const { writes } = parsed(batchSchema, request.body);
    return { answers: writes.map((one) => answerOf(one, options)) };
  });
}

function answerOf(one: BatchWrite, { store, parser, log }: AppOptions): BatchAnswer {
  try {
    const target = targetOf(one.path);
    if (target.name === undefined || target.status) throw new MeshError("bad_request", `${one.path} names no object`);
    const context = { store, parser, dryRun: false };
    if (one.method === "PATCH") return write.apply(context, target, one.body);
    const { preconditions, ...rest } = parsed(deleteOptionsSchema, isJsonObject(one.body) ? one.body : {});
    return write.remove(context, target, { ...rest, uid: preconditions?.uid, resourceVersion: preconditions?.resourceVersion });
  } catch (error) {
    const meshError = MeshError.from(error);
    const body = failureOf(meshError);
    if (body.code >= 500) log.error(meshError.message, { path: one.path, stack: meshError.stack });
    return { code: body.code, body, warnings: [], changed: false };
  }
}

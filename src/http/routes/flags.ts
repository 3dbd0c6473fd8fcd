// OFREP's routes, /ofrep/v1/…, answered by the FlagsView that app gives. Errors are OFREP's own, not Kubernetes'.

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { MeshError } from "../../lib/errors.ts";
import { contentHash } from "../../lib/hash.ts";
import { type FlagCaller, type FlagFailure, type FlagsView, flagCallerHeader, flagConfiguration } from "../flags-contract.ts";

const keySchema = z.object({ key: z.string() });
const querySchema = z.object({ namespace: z.string().default("default") }).catch({ namespace: "default" });

/** The application's own body and error rules stay outside of this scope. */
export function addFlagRoutes(app: FastifyInstance, view: FlagsView): void {
  void app.register((scope, _options, done) => {
    scope.setErrorHandler((error, request, reply) => sendFailure(error, request, reply));
    scope.post("/ofrep/v1/evaluate/flags/:key", (request, reply) => {
      const { key } = keySchema.parse(request.params);
      const { status, body } = view.evaluate(callerOf(request), key, request.body);
      return reply.code(status).send(body);
    });
    scope.post("/ofrep/v1/evaluate/flags", (request, reply) => {
      const { status, body } = view.evaluateAll(callerOf(request), request.body);
      return status === 200 ? sendTagged(body, request, reply) : reply.code(status).send(body);
    });
    scope.get("/ofrep/v1/configuration", (request, reply) => sendTagged(flagConfiguration, request, reply));
    done();
  });
}

function callerOf({ headers, query }: FastifyRequest): FlagCaller {
  const caller = headers[flagCallerHeader];
  if (typeof caller !== "string") return { namespace: querySchema.parse(query).namespace };
  const [namespace = "", pod = ""] = caller.split("/");
  return { namespace, pod };
}

/** 304 while the answer is one that the client has (RFC 9110, 13.1.2). */
function sendTagged(body: unknown, { headers }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const text = JSON.stringify(body);
  const tag = `"${contentHash(text)}"`;
  const known = (headers["if-none-match"] ?? "").split(",").map((part) => part.trim().replace(/^W\//, ""));
  reply.header("etag", tag);
  if (known.includes(tag) || known.includes("*")) return reply.code(304).send();
  return reply.type("application/json; charset=utf-8").send(text);
}

function sendFailure(error: unknown, { params }: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { message, code } = MeshError.from(error);
  if (code === "unavailable") return reply.code(503).send({ errorDetails: message });
  const status = typeof error === "object" && error !== null && "statusCode" in error ? error.statusCode : undefined;
  if (status === 413) return reply.code(413).send({ errorDetails: message });
  const isTheirs = code === "bad_request" || (typeof status === "number" && status >= 400 && status < 500);
  if (!isTheirs) return reply.code(500).send({ errorDetails: "the flag could not be evaluated" });
  const { data } = keySchema.safeParse(params);
  const failure: FlagFailure = { ...(data === undefined ? {} : { key: data.key }), errorCode: "PARSE_ERROR", errorDetails: message };
  return reply.code(400).send(failure);
}

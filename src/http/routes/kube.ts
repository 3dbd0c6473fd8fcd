// Routes of Kubernetes' API: one handler per method, the path says the rest.

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MeshError } from "../../lib/errors.ts";
import { isJsonObject } from "../../store/json.ts";
import type { DeleteOptions } from "../../store/store.ts";
import { deleteOptionsSchema, listQuerySchema, writeQuerySchema } from "../contract.ts";
import { getBody, listBody, tableBody } from "../kube-api/read.ts";
import { wantsTable } from "../kube-api/table.ts";
import { type Target, targetOf } from "../kube-api/target.ts";
import { serveWatch } from "../kube-api/watch.ts";
import * as write from "../kube-api/write.ts";
import type { AppOptions } from "../options.ts";
import { parsed, pathOf } from "../request.ts";

const mib = 1024 * 1024;

export function addKubeRoutes(app: FastifyInstance, options: AppOptions): void {
  const routes = { GET: handleGet, POST: handlePost, PUT: handlePut, PATCH: handlePatch, DELETE: handleDelete };
  for (const [method, handler] of Object.entries(routes)) {
    for (const url of ["/api/v1/*", "/apis/:group/:version/*"]) {
      app.route({ method, url, exposeHeadRoute: false, handler: (request, reply) => handler(request, reply, options) });
    }
  }
}

function handleGet(request: FastifyRequest, reply: FastifyReply, options: AppOptions): void {
  const target = targetOf(pathOf(request));
  const query = parsed(listQuerySchema, request.query);
  if (query.watch) {
    const { store, maxUnreadBytes = mib, bookmarkMs = 10_000, signal } = options;
    serveWatch(reply.raw, { target, query, signal }, { store, maxUnreadBytes, bookmarkMs });
    reply.hijack();
    return;
  }
  if (wantsTable(request.headers.accept)) {
    void reply.send(tableBody(options.store, target, query));
    return;
  }
  void reply.send(target.name === undefined ? listBody(options.store, target, query) : getBody(options.store, target));
}

function handlePost(request: FastifyRequest, reply: FastifyReply, options: AppOptions): void {
  const target = targetOf(pathOf(request));
  if (target.name !== undefined) throw notAllowed("POST goes to a collection");
  send(reply, write.create(contextOf(request, options), target, request.body));
}

function handlePut(request: FastifyRequest, reply: FastifyReply, options: AppOptions): void {
  send(reply, write.update(contextOf(request, options), namedTarget(request), request.body));
}

function handlePatch(request: FastifyRequest, reply: FastifyReply, options: AppOptions): void {
  const target = namedTarget(request);
  const context = contextOf(request, options);
  const type = (request.headers["content-type"] ?? "").split(";")[0];
  if (type === "application/json-patch+json") send(reply, write.patchJson(context, target, request.body));
  else if (type === "application/merge-patch+json") send(reply, write.patchMerge(context, target, request.body));
  else if (type === "application/strategic-merge-patch+json" && isBuiltIn(target))
    send(reply, write.patchStrategic(context, target, request.body));
  else if (type === "application/apply-patch+yaml" || type === "application/apply-patch+json") {
    send(reply, write.apply(context, target, request.body));
  } else throw unsupportedPatch(type ?? "");
}

/** Kinds that kubectl has Go types of; it sends merge patches for all others. */
function isBuiltIn({ definition }: Target): boolean {
  return ["", "apps", "discovery.k8s.io"].includes(definition.group);
}

function unsupportedPatch(type: string): Error {
  const fix = "Use application/merge-patch+json (kubectl patch --type=merge), or kubectl apply --server-side.";
  return Object.assign(new Error(`patches of type ${type} are not supported yet. ${fix}`), { statusCode: 415 });
}

function handleDelete(request: FastifyRequest, reply: FastifyReply, options: AppOptions): void {
  const target = targetOf(pathOf(request));
  const context = contextOf(request, options);
  const query = parsed(listQuerySchema, request.query);
  const deletion = deleteOptionsOf(request);
  send(
    reply,
    target.name === undefined ? write.removeAll(context, target, { query, options: deletion }) : write.remove(context, target, deletion),
  );
}

function namedTarget(request: FastifyRequest): Target {
  const target = targetOf(pathOf(request));
  if (target.name === undefined) throw notAllowed(`${request.method} needs an object's name`);
  return target;
}

function notAllowed(message: string): MeshError {
  return new MeshError("bad_request", message);
}

function contextOf(request: FastifyRequest, { store, parser }: AppOptions): write.WriteContext {
  const { dryRun } = parsed(writeQuerySchema, request.query);
  return { store, parser, dryRun: dryRun !== undefined && dryRun !== "" };
}

function deleteOptionsOf(request: FastifyRequest): DeleteOptions {
  const { preconditions, ...fromBody } = parsed(deleteOptionsSchema, isJsonObject(request.body) ? request.body : {});
  const { gracePeriodSeconds, propagationPolicy } = parsed(deleteOptionsSchema, request.query);
  return {
    gracePeriodSeconds: fromBody.gracePeriodSeconds ?? gracePeriodSeconds,
    propagationPolicy: fromBody.propagationPolicy ?? propagationPolicy,
    uid: preconditions?.uid,
    resourceVersion: preconditions?.resourceVersion,
  };
}

function send(reply: FastifyReply, { code, body, warnings, changed }: write.Answer): void {
  if (warnings.length > 0) reply.header("warning", warnings.map(warningHeader));
  void reply.header("lateen-changed", String(changed)).code(code).send(body);
}

/** RFC 7234 warn-code 299; kubectl prints the quoted text. */
function warningHeader(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, "?").replaceAll(/["\\]/g, (character) => `\\${character}`);
  return `299 - "${printable}"`;
}

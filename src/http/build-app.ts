// Fastify with everything that all routes share: body and depth limits, tokens, errors as metav1.Status; and the routes themselves.

import { createHash, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import { MeshError } from "../lib/errors.ts";
import { isDeeperThan } from "../store/json.ts";
import { failure, failureOf } from "./kube-api/kube-status.ts";
import type { AppOptions } from "./options.ts";
import { pathOf } from "./request.ts";
import { addBatchRoute } from "./routes/batch.ts";
import { addDiscoveryRoutes } from "./routes/discovery.ts";
import { addEdgesRoute } from "./routes/edges.ts";
import { addFlagRoutes } from "./routes/flags.ts";
import { addKubeRoutes } from "./routes/kube.ts";
import { addLateenRoutes } from "./routes/lateen.ts";
import { addMetricsRoutes } from "./routes/metrics.ts";
import { addReleaseRoutes } from "./routes/releases.ts";
import { addTapRoute } from "./routes/tap.ts";
import { addStatRoute } from "./routes/telemetry.ts";
import { addTokenRequestRoute } from "./routes/token-request.ts";
import { addTracesRoutes } from "./routes/traces.ts";

/** As Kubernetes' API server: 3 MiB. */
const bodyLimit = 3 * 1024 * 1024;
/** Deeper JSON is refused before it is parsed; no kind nests deeper than 20. */
const maxDepth = 100;

/** The application, not listening yet. */
export function buildApp(options: AppOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit,
    forceCloseConnections: true,
    // A request must have arrived whole within this time (slow-loris); answers may take longer (watches).
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 300 },
  });
  addBodyParser(app);
  if (options.token !== undefined) addTokenCheck(app, options.token);
  app.setErrorHandler((error, _request, reply) => sendError(reply, error, options));
  app.setNotFoundHandler((request, reply) =>
    sendError(reply, new MeshError("not_found", `nothing is served at ${pathOf(request)}`), options),
  );
  addDiscoveryRoutes(app, options);
  addKubeRoutes(app, options);
  if (options.tokens !== undefined) addTokenRequestRoute(app, options, options.tokens);
  if (options.traces !== undefined) addTracesRoutes(app, options.traces);
  addLateenRoutes(app, options);
  if (options.metrics !== undefined) addMetricsRoutes(app, options.metrics);
  if (options.releases !== undefined) addReleaseRoutes(app, options.releases);
  if (options.flags !== undefined) addFlagRoutes(app, options.flags);
  addBatchRoute(app, options);
  addTapRoute(app, options);
  if (options.stat !== undefined) addStatRoute(app, options.stat);
  addEdgesRoute(app, options);
  return app;
}

function addBodyParser(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  const types = /^application\/(json|[a-z-]+\+json|apply-patch\+yaml)/;
  app.addContentTypeParser(types, { parseAs: "string" }, (request, body, done) => {
    const text = String(body);
    if (text === "") return done(null, undefined);
    if (isDeeperThan(text, maxDepth)) return done(new MeshError("bad_request", `the body nests deeper than ${maxDepth} levels`));
    return parseJson(request, text, done);
  });
}

function addTokenCheck(app: FastifyInstance, token: string): void {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  app.addHook("onRequest", (request, reply, done) => {
    // Digests have one length, so the comparison tells nothing about the token.
    if (timingSafeEqual(digest(request.headers.authorization ?? ""), wanted)) return done();
    void reply.code(401).send(failure({ code: 401, reason: "Unauthorized" }, "a bearer token is needed"));
  });
}

function sendError(reply: FastifyReply, error: unknown, { log }: AppOptions): void {
  const status = clientErrorCode(error);
  if (status !== undefined && error instanceof Error) {
    void reply.code(status).send(failure({ code: status, reason: reasonOf(status) }, error.message));
    return;
  }
  const meshError = MeshError.from(error);
  const body = failureOf(meshError);
  if (body.code >= 500) log.error(meshError.message, { code: meshError.code, stack: meshError.stack });
  void reply.code(body.code).send(body);
}

/** The 4xx code of Fastify's own errors: body too large, wrong content type, broken JSON. */
function clientErrorCode(error: unknown): number | undefined {
  if (error instanceof MeshError || typeof error !== "object" || error === null || !("statusCode" in error)) return undefined;
  const code = error.statusCode;
  return typeof code === "number" && code >= 400 && code < 500 ? code : undefined;
}

function reasonOf(code: number): string {
  if (code === 413) return "RequestEntityTooLarge";
  return code === 415 ? "UnsupportedMediaType" : "BadRequest";
}

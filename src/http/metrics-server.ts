// The metrics port: one address on loopback from which a Prometheus has the whole mesh, each pod, and the list of them. Read only, and no secrets.
//
// No token, since Prometheus as people have it sends none: so it listens on loopback only, and a page of another site that resolves its name to
// 127.0.0.1 (DNS rebinding) is told apart by its Host header.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { boundPort } from "../lib/bound-port.ts";
import { ConnectionRoom } from "../lib/connection-room.ts";
import { MeshError, Unavailable } from "../lib/errors.ts";
import { sendPieces, sendText } from "../lib/http-text.ts";
import type { Logger } from "../lib/log.ts";
import { discoveryKinds } from "../telemetry/prometheus/discovery.ts";
import { contentTypes, formatFor, writeText } from "../telemetry/prometheus/write-text.ts";
import type { MetricsView } from "./metrics-contract.ts";

const host = "127.0.0.1";
/** A Prometheus or two, and a person; each answer of a large mesh holds some megabytes. Any program of this machine can connect. */
const maxConnections = 64;

export interface MetricsServerOptions {
  readonly view: MetricsView;
  /** 0 is any free one. */
  readonly port: number;
  readonly log: Logger;
}

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts listening. @throws Unavailable when the port is taken. */
export function startMetricsServer({ view, port, log }: MetricsServerOptions): Promise<MetricsServer> {
  const room = new ConnectionRoom({ max: maxConnections });
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16_384 }, (request, response) => {
    room.serve(request.socket, response);
    answer({ request, response }, view).catch((error: unknown) => {
      const { code, message } = MeshError.from(error);
      if (code === "internal") log.error("a scrape failed", { error: error instanceof Error ? error.stack : message });
      if (response.headersSent) response.destroy();
      else sendText(response, statusOf(code), message);
    });
  });
  server.on("connection", (socket) => room.admit(socket));
  return new Promise((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new Unavailable(`the metrics port ${host}:${port} can't be opened: ${cause.message}`, { cause, fix: portFix })),
    );
    server.listen({ host, port }, () => {
      server.on("error", (error) => log.error("the metrics port failed", { error: error.message }));
      const close = (): Promise<void> => {
        server.closeAllConnections();
        return new Promise((done) => server.close(() => done()));
      };
      resolve({ port: boundPort(server) ?? port, close });
    });
  });
}

const portFix = "Choose another one with --metrics-port or metrics.port in lateen.yaml; 0 is any free one, off is none.";

function statusOf(code: MeshError["code"]): number {
  if (code === "not_found") return 404;
  return code === "unavailable" || code === "timeout" ? 503 : 500;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer({ request, response }: Exchange, view: MetricsView): Promise<void> {
  if (!isLoopbackHost(request.headers.host)) return sendText(response, 403, "ask for 127.0.0.1 or localhost");
  if (request.method !== "GET" && request.method !== "HEAD") return sendText(response, 405, "only GET");
  const url = request.url ?? "/";
  const [path = "/"] = url.split("?", 1);
  const format = formatFor(request.headers.accept);
  if (path === "/metrics") return sendPieces({ request, response }, await view.mesh(format), contentTypes[format]);
  if (path === "/control-plane/metrics") {
    return sendPieces({ request, response }, writeText(await view.controlPlane(), format), contentTypes[format]);
  }
  const kind = discoveryKinds.find((known) => path === `/sd/${known}`);
  if (kind !== undefined) return sendPieces({ request, response }, [JSON.stringify(view.targets(kind))], "application/json");
  if (path.startsWith("/pods/")) {
    const page = await view.podPage(path, request.headers.accept);
    if (page.status !== 200) return sendText(response, page.status, page.text.trim());
    return sendPieces({ request, response }, [page.text], page.contentType);
  }
  if (path === "/") return sendText(response, 200, overview);
  sendText(response, 404, `nothing is served at ${path}\n\n${overview}`);
}

const overview = [
  "/metrics                                        all proxies and the control plane",
  "/control-plane/metrics                          the control plane alone",
  "/sd/pods, /sd/applications                      targets for http_sd_configs",
  "/pods/<namespace>/<pod>/stats/prometheus        one pod: proxy and application",
  "/pods/<namespace>/<pod>/application             only what the application shows",
].join("\n");

/** Host headers that a local client sends; the port doesn't matter. */
export function isLoopbackHost(header: string | undefined): boolean {
  const name = (header ?? "").toLowerCase().replace(/:\d{1,5}$/, "");
  return name === "127.0.0.1" || name === "localhost" || name === "[::1]";
}

// The pods' own metrics ports, 15020 and 15090, and the same pages for the control plane: what Istio's agent does in each pod, for all of them.
// In: requests. Out: the proxy's series (from the control plane and Envoy) and the application's, merged; whatever fails hides nothing else.

import { chmodSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Pod } from "../../../api/kubernetes/pod.ts";
import { ConnectionRoom } from "../../../lib/connection-room.ts";
import { sendPieces, sendText } from "../../../lib/http-text.ts";
import type { Logger } from "../../../lib/log.ts";
import { applicationTargetOf } from "../../../telemetry/prometheus/application-target.ts";
import type { Family } from "../../../telemetry/prometheus/family.ts";
import { mergeFamilies } from "../../../telemetry/prometheus/merge.ts";
import { contentTypes, formatFor, writeText } from "../../../telemetry/prometheus/write-text.ts";
import { fabricAddress } from "../addresses.ts";
import type { PodSandbox } from "../sandbox.ts";
import { applicationMetrics } from "./application-metrics.ts";
import { answerCall } from "./call-pod.ts";
import { envoyFamilies } from "./envoy-metrics.ts";

/** Istio's ports: the agent's, with everything merged, and Envoy's alone. */
const mergedPort = 15020;
const proxyPort = 15090;
/** On a pod that may read other pods' metrics, as a Prometheus does. */
export const scraperAnnotation = "lateen.dev/scrapes-metrics";
/** Prometheus gives up after 10 s unless told otherwise; the rest of the page must arrive too. */
const defaultTimeoutMs = 5000;

export interface PodMetricsOptions {
  /** Istio's series of a pod's proxy, which the control plane counts. */
  readonly proxySeries: (namespace: string, name: string, signal: AbortSignal) => Promise<readonly Family[]>;
  readonly logger: Logger;
  /** How long a page waits for each of its parts; 5 s unless given. */
  readonly sourceTimeoutMs?: number;
}

/** "merged", "proxy" and "application": what is on a page. */
type Page = "merged" | "proxy" | "application";

/** What is needed of a pod's sandbox. */
type Sandbox = Pick<PodSandbox, "ip" | "listen" | "dial">;

/** One port of one pod. */
interface Place {
  readonly served: Served;
  readonly page: Page;
  readonly room: ConnectionRoom;
}

/** Of one port. */
const maxConnections = 16;
/** Connections that are told why they were refused; beyond, they are closed without a word. */
const maxRefusals = 8;

interface Served {
  readonly pod: Pod;
  readonly sandbox: Sandbox;
  /** Envoy's admin socket; undefined in a pod without a proxy. */
  readonly adminPath: string | undefined;
  readonly failures: Map<Source, number>;
  readonly asking: Map<Page, Promise<readonly Family[]>>;
  scrapes: number;
}

/** Istio's word for what failed (pilot-agent's istio_agent_scrape_failures_total). */
type Source = "envoy" | "application" | "agent";

export class PodMetrics {
  readonly #options: PodMetricsOptions;
  readonly #pods = new Map<string, Served>();
  /** Which pod's port a connection came to. */
  readonly #places = new WeakMap<Socket, Place>();
  readonly #refused = new Set<Socket>();
  readonly #inPods: Server;
  readonly #forControlPlane: Server;
  readonly #timeoutMs: number;

  constructor(options: PodMetricsOptions) {
    this.#options = options;
    this.#timeoutMs = options.sourceTimeoutMs ?? defaultTimeoutMs;
    // Its time limits hold nothing here: it doesn't listen itself. The ports' rooms do.
    this.#inPods = createServer({ maxHeaderSize: 8192 }, (request, response) => void this.#answerInPod({ request, response }));
    this.#forControlPlane = createServer((request, response) => void this.#answerControlPlane({ request, response }));
  }

  /** Answers the control plane on a Unix socket, which only its owner reaches. */
  listen(socketPath: string): void {
    this.#forControlPlane.on("error", (error) => this.#options.logger.error("pods' metrics can't be asked for", { error: error.message }));
    this.#forControlPlane.listen(socketPath, () => chmodSync(socketPath, 0o600));
  }

  close(): void {
    this.#forControlPlane.close();
    this.#forControlPlane.closeAllConnections();
  }

  /** Serves a pod from now on; with a proxy also at its own ports. Returns what ends it. */
  serve(pod: Pod, sandbox: Sandbox, adminPath: string | undefined): () => void {
    const served: Served = { pod, sandbox, adminPath, failures: new Map(), asking: new Map(), scrapes: 0 };
    const key = keyOf(pod.metadata);
    this.#pods.set(key, served);
    if (adminPath !== undefined) {
      const placeOf = (page: Page): Place => ({ served, page, room: new ConnectionRoom({ max: maxConnections }) });
      const [merged, proxy] = [placeOf("merged"), placeOf("proxy")];
      sandbox.listen(mergedPort, (socket) => this.#accept(socket, merged));
      sandbox.listen(proxyPort, (socket) => this.#accept(socket, proxy));
    }
    return () => {
      if (this.#pods.get(key) === served) this.#pods.delete(key);
    };
  }

  /** A stranger's bytes reach no parser. */
  #accept(socket: Socket, place: Place): void {
    if (!this.#mayScrape(socket.remoteAddress ?? "", place.served)) {
      this.#refuse(socket);
      return;
    }
    if (!place.room.admit(socket)) return;
    this.#places.set(socket, place);
    this.#inPods.emit("connection", socket);
  }

  /** The pod itself, the node, and pods that were told to scrape: a pod can't have another one's address. */
  #mayScrape(address: string, { sandbox }: Served): boolean {
    if (address === sandbox.ip || address === fabricAddress || address.startsWith("127.")) return true;
    return [...this.#pods.values()].some((other) => other.sandbox.ip === address && isScraper(other.pod));
  }

  #refuse(socket: Socket): void {
    if (this.#refused.size >= maxRefusals) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    socket.once("close", () => this.#refused.delete(socket));
    refuse(socket);
  }

  async #answerInPod(exchange: Exchange): Promise<void> {
    const place = this.#places.get(exchange.request.socket);
    place?.room.serve(exchange.request.socket, exchange.response);
    const path = exchange.request.url?.split("?", 1)[0];
    if (place === undefined || path !== "/stats/prometheus") return sendText(exchange.response, 404, "metrics are at /stats/prometheus");
    await this.#send(exchange, place.served, place.page);
  }

  async #answerControlPlane(exchange: Exchange): Promise<void> {
    const [, pods, namespace = "", name = "", ...page] = (exchange.request.url ?? "").split("?", 1)[0]?.split("/") ?? [];
    const served = this.#pods.get(keyOf({ namespace, name }));
    const wanted = pages[page.join("/")];
    if (pods !== "pods" || wanted === undefined) return sendText(exchange.response, 404, "there is no such page");
    if (served === undefined) return sendText(exchange.response, 404, `the pod ${namespace}/${name} does not run`);
    if (wanted === "call") return answerCall(exchange, (port, limits) => served.sandbox.dial(port, limits));
    await this.#send(exchange, served, wanted);
  }

  async #send(exchange: Exchange, served: Served, page: Page): Promise<void> {
    const format = formatFor(exchange.request.headers.accept);
    try {
      const families = await this.#familiesOnce(served, page);
      // Without anything else to show, a failure must be seen as one.
      if (page === "application" && families.length === 0) {
        return sendText(exchange.response, 502, "the application shows no metrics where its annotations say");
      }
      await sendPieces(exchange, writeText(families, format), contentTypes[format]);
    } catch (error) {
      this.#options.logger.error("a scrape failed", { pod: keyOf(served.pod.metadata), error: String(error) });
      if (exchange.response.headersSent) exchange.response.destroy();
      else sendText(exchange.response, 500, "see the node's log");
    }
  }

  /** However many ask at once, a page is made once. */
  #familiesOnce(served: Served, page: Page): Promise<readonly Family[]> {
    const known = served.asking.get(page);
    if (known !== undefined) return known;
    const asking = this.#families(served, page).finally(() => served.asking.delete(page));
    served.asking.set(page, asking);
    return asking;
  }

  async #families(served: Served, page: Page): Promise<readonly Family[]> {
    const nothing = Promise.resolve<readonly Family[]>([]);
    const sources = [
      page === "application" ? nothing : this.#ofControlPlane(served),
      page === "application" ? nothing : this.#ofEnvoy(served),
      page === "proxy" ? nothing : this.#ofApplication(served),
    ];
    served.scrapes += 1;
    const families = await Promise.all(sources);
    return mergeFamilies(page === "merged" ? [...families, agentFamilies(served)] : families).families;
  }

  #ofControlPlane(served: Served): Promise<readonly Family[]> {
    const { namespace = "default", name } = served.pod.metadata;
    if (served.adminPath === undefined) return Promise.resolve([]);
    return this.#guarded(served, "agent", this.#options.proxySeries(namespace, name, AbortSignal.timeout(this.#timeoutMs)));
  }

  #ofEnvoy(served: Served): Promise<readonly Family[]> {
    return served.adminPath === undefined ? Promise.resolve([]) : this.#guarded(served, "envoy", envoyFamilies(served.adminPath));
  }

  #ofApplication(served: Served): Promise<readonly Family[]> {
    const target = applicationTargetOf(served.pod.metadata.annotations);
    if (target === undefined) return Promise.resolve([]);
    const connect = (port: number): Promise<Socket> => served.sandbox.dial(port, { timeoutMs: this.#timeoutMs });
    const asked = applicationMetrics(target, { connect, timeoutMs: this.#timeoutMs });
    return this.#guarded(
      served,
      "application",
      asked.then(({ families }) => families),
    );
  }

  async #guarded(served: Served, source: Source, asked: Promise<readonly Family[]>): Promise<readonly Family[]> {
    try {
      return await asked;
    } catch (error) {
      const failed = (served.failures.get(source) ?? 0) + 1;
      served.failures.set(source, failed);
      // Each scrape would say the same again.
      if (failed === 1)
        this.#options.logger.warn("part of a scrape failed", { pod: keyOf(served.pod.metadata), source, error: String(error) });
      return [];
    }
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** "call" is no page: a request to the application that the body describes. */
const pages: Readonly<Record<string, Page | "call">> = { "stats/prometheus": "merged", application: "application", call: "call" };

function keyOf({ namespace = "default", name }: { readonly namespace?: string | undefined; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function isScraper(pod: Pod): boolean {
  const annotations = pod.metadata.annotations ?? {};
  return Object.hasOwn(annotations, scraperAnnotation) && annotations[scraperAnnotation] === "true";
}

const refusalText = `pods may not read each other's metrics; a Prometheus in the mesh needs the annotation ${scraperAnnotation}: "true"\n`;
const refusal = [
  "HTTP/1.1 403 Forbidden",
  "content-type: text/plain; charset=utf-8",
  `content-length: ${Buffer.byteLength(refusalText)}`,
  "connection: close",
  "",
  refusalText,
].join("\r\n");
const refusedMs = 1000;

/** Says why; what was sent is read and thrown away, or the reset would overtake the answer. */
function refuse(socket: Socket): void {
  socket.resume();
  socket.end(refusal);
  setTimeout(() => socket.destroy(), refusedMs).unref();
}

function agentFamilies({ scrapes, failures }: Served): readonly Family[] {
  const counts = [...failures].map(([type, value]) => ({
    name: "istio_agent_scrape_failures_total",
    labels: [["type", type]] as const,
    value,
  }));
  return [
    {
      name: "istio_agent_scrapes_total",
      type: "counter",
      help: "Scrapes of this pod.",
      samples: [{ name: "istio_agent_scrapes_total", labels: [], value: scrapes }],
    },
    { name: "istio_agent_scrape_failures_total", type: "counter", help: "Parts of scrapes that were missing.", samples: counts },
  ];
}

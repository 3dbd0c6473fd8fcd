// What the control plane tells of itself: Istio's names where the meaning is the same (pilot_*, galley_*, citadel_*), lateen_* for the rest,
// process_* and nodejs_* as everywhere. Counters and histograms are fed by observers; everything else is read when somebody scrapes.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Parser } from "../../store/parser.ts";
import type { Store, StoreEvent } from "../../store/store.ts";
import type { Family, FamilyType } from "../../telemetry/prometheus/family.ts";
import type { XdsEvent } from "../../xds/xds-event.ts";
import { phaseSeries, type ReleaseFigures, releaseSeries } from "./release-series.ts";

/** Istio's bounds in seconds (pilot/pkg/xds/monitoring.go), and two below, since a laptop's mesh is quicker. */
const secondsBounds = [0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30];
/** Istio's bounds in bytes. */
const sizeBounds = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/** What is read when somebody scrapes. */
export interface ControlPlaneState {
  readonly version: string;
  readonly store: Store;
  readonly proxies: () => readonly { readonly isConnected: boolean; readonly isAcknowledged: boolean }[];
  readonly services: () => number;
  readonly certificates: { readonly issued: () => number; readonly rootExpiryMs: () => number; readonly chainExpiryMs: () => number };
  readonly refusedStreams: () => ReadonlyMap<string, number>;
  readonly findings: () => readonly { readonly severity: string }[];
  readonly storeBytes: () => number;
  /** Of each connected proxy, how old its newest report is; infinite before its first. */
  readonly dataAgesSeconds: () => readonly number[];
}

/** Reports come once a second: who said nothing for so long has lost some. */
const silentSeconds = 5;

export class ControlPlaneMetrics {
  readonly #registry = new Registry();
  readonly #pushes = this.#counter("pilot_xds_pushes", "Responses sent to proxies.", ["type"]);
  readonly #triggers = this.#counter("pilot_push_triggers", "Changes that made the configuration anew.", ["type"]);
  readonly #rejects = this.#counter("pilot_total_xds_rejects", "Responses that a proxy refused.", ["type"]);
  readonly #configEvents = this.#counter("pilot_k8s_cfg_events", "Changes of configuration objects.", ["type", "event"]);
  readonly #registryEvents = this.#counter("pilot_k8s_reg_events", "Changes of services, pods and endpoints.", ["type", "event"]);
  readonly #passed = this.#counter("galley_validation_passed", "Objects that were checked and taken.", ["group", "version", "resource"]);
  readonly #failed = this.#counter("galley_validation_failed", "Objects that were refused.", ["group", "version", "resource", "reason"]);
  readonly #convergence = this.#histogram(
    "pilot_proxy_convergence_time",
    "Seconds from a change of a proxy's configuration until it has acknowledged all of it.",
    { bounds: secondsBounds },
  );
  readonly #webhooks = this.#counter("lateen_release_webhooks_total", "Transitions of releases for webhooks, by what became of them.", [
    "result",
  ]);
  readonly #sendTime = this.#histogram("pilot_xds_send_time", "Seconds until the transport took a response.", { bounds: secondsBounds });
  readonly #size = this.#histogram("pilot_xds_config_size_bytes", "Sizes of responses.", { bounds: sizeBounds, labels: ["type"] });

  constructor(state: ControlPlaneState) {
    // Ten looks at the event loop a second: the default of a hundred would wake an idle process as often.
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    for (const type of ["cds", "eds", "lds", "rds"]) this.#pushes.inc({ type }, 0);
    this.#gauges(state);
  }

  /** For AdsServer. */
  readonly onXds = (event: XdsEvent): void => {
    if (event.kind === "sent") {
      this.#pushes.inc({ type: event.type });
      this.#size.observe({ type: event.type }, event.sizeBytes);
    } else if (event.kind === "taken") this.#sendTime.observe(event.ms / 1000);
    else if (event.kind === "refused") this.#rejects.inc({ type: event.type });
    else this.#convergence.observe(event.ms / 1000);
  };

  /** For Store.subscribe. */
  readonly onStore = ({ type, stored, previous }: StoreEvent): void => {
    const { kind } = stored;
    const event = { ADDED: "add", MODIFIED: "update", DELETED: "delete" }[type];
    if (registryKinds.has(kind)) this.#registryEvents.inc({ type: kind, event });
    else if (!otherKinds.has(kind)) this.#configEvents.inc({ type: kind, event });
    // What only a status says makes no configuration.
    if (kind !== "Pod" || previous === undefined || type === "DELETED") this.#triggers.inc({ type: triggerOf(kind) });
  };

  /** The parser that the API checks objects with, counted. */
  countedParser(parser: Parser): Parser {
    return {
      kindOf: (raw) => parser.kindOf(raw),
      parse: (raw) => {
        const parsed = parser.parse(raw);
        const [group = "", version] = raw.apiVersion.includes("/") ? raw.apiVersion.split("/", 2) : ["", raw.apiVersion];
        // Whatever a stranger writes as apiVersion must not become a label.
        const known = parser.kindOf(raw);
        const labels = known === undefined ? { group: "", version: "", resource: "unknown" } : { group, version, resource: known.kind };
        if (parsed.value !== undefined) this.#passed.inc(labels);
        else this.#failed.inc({ ...labels, reason: parsed.diagnostics.find(({ severity }) => severity === "error")?.code ?? "" });
        return parsed;
      },
    };
  }

  /** Everything, now. */
  async families(): Promise<readonly Family[]> {
    const metrics: readonly MetricJson[] = await this.#registry.getMetricsAsJSON();
    return metrics.map(familyOf).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, help: string, { bounds, labels = [] }: { bounds: number[]; labels?: string[] }): Histogram {
    return new Histogram({ name, help, buckets: bounds, labelNames: labels, registers: [this.#registry] });
  }

  /** Read anew at each scrape. */
  #gauge(name: string, help: string, read: Read, labelNames: string[] = []): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        read((value, labels = {}) => this.set(labels, value));
      },
    });
  }

  /** The same of what only grows. */
  #total(name: string, help: string, read: Read, labelNames: string[] = []): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        read((value, labels = {}) => this.inc(labels, value));
      },
    });
  }

  #gauges(state: ControlPlaneState): void {
    const { version, store, certificates } = state;
    this.#gauge("istio_build", "The component's version.", (set) => set(1, { component: "pilot", tag: version }), ["component", "tag"]);
    this.#gauge("pilot_info", "The control plane's version.", (set) => set(1, { version }), ["version"]);
    const connected = () => state.proxies().filter(({ isConnected }) => isConnected);
    this.#gauge("pilot_xds", "Proxies that are connected.", (set) => set(connected().length, { version }), ["version"]);
    this.#gauge("pilot_services", "Services that the mesh knows.", (set) => set(state.services()));
    this.#gauge("pilot_virt_services", "VirtualServices.", (set) => set(store.list("VirtualService").length));
    this.#total("citadel_server_success_cert_issuance_count", "Workload certificates made.", (set) => set(certificates.issued()));
    this.#gauge("citadel_server_root_cert_expiry_timestamp", "When the first of the roots ends, in seconds since the epoch.", (set) =>
      set(certificates.rootExpiryMs() / 1000),
    );
    this.#gauge("citadel_server_cert_chain_expiry_timestamp", "When the issuing certificate ends, in seconds since the epoch.", (set) =>
      set(certificates.chainExpiryMs() / 1000),
    );
    this.#gauge("lateen_proxies", "Proxies that the mesh has.", (set) => set(state.proxies().length));
    this.#gauge("lateen_proxies_unacknowledged", "Connected proxies that have not acknowledged everything.", (set) =>
      set(connected().filter(({ isAcknowledged }) => !isAcknowledged).length),
    );
    this.#ownGauges(state);
  }

  #ownGauges({ store, storeBytes, findings, refusedStreams, dataAgesSeconds }: ControlPlaneState): void {
    this.#gauge("lateen_telemetry_data_age_seconds", "Age of the newest report of the connected proxy that is furthest behind.", (set) =>
      set(Math.max(0, ...dataAgesSeconds().filter(Number.isFinite))),
    );
    this.#gauge("lateen_telemetry_silent_proxies", "Connected proxies that have reported nothing for 5 s.", (set) =>
      set(dataAgesSeconds().filter((age) => age > silentSeconds).length),
    );
    this.#gauge("lateen_store_revision", "The store's revision.", (set) => set(store.revision));
    this.#gauge("lateen_store_size_bytes", "The store's files.", (set) => set(storeBytes()));
    const readFindings: Read = (set) => {
      const found = findings();
      for (const severity of ["error", "warning"]) set(found.filter((finding) => finding.severity === severity).length, { severity });
    };
    this.#gauge("lateen_findings", "Findings about objects and telemetry.", readFindings, ["severity"]);
    const readRefused: Read = (set) => {
      for (const [reason, count] of refusedStreams()) set(count, { reason });
    };
    this.#total("lateen_xds_refused_streams_total", "Streams refused: who opened them isn't who they say.", readRefused, ["reason"]);
  }

  /** Shows releases from now on; once. */
  showReleases(read: () => readonly ReleaseFigures[]): void {
    for (const { name, help, values } of releaseSeries) {
      const all: Read = (set) => {
        for (const figures of read()) {
          const { namespace, release } = figures;
          for (const { value, labels } of values(figures)) set(value, { namespace, release, ...labels });
        }
      };
      this.#gauge(name, help, all, ["namespace", "release", ...(name === phaseSeries ? ["phase"] : [])]);
    }
  }

  /** A webhook's fate: "sent", "dropped" or "failed". */
  readonly onWebhook = (result: string): void => this.#webhooks.inc({ result });
}

/** Gives the values of one metric. */
type Read = (set: (value: number, labels?: Readonly<Record<string, string>>) => void) => void;

/** Istio's registry events are of what says where services run. */
const registryKinds: ReadonlySet<string> = new Set(["Service", "EndpointSlice", "Pod", "Namespace", "Node"]);
/** Neither configuration of the mesh nor its registry. */
const otherKinds: ReadonlySet<string> = new Set(["Deployment", "ReplicaSet", "Event", "ServiceAccount", "Lease"]);

/** Istio's reasons of a push (pilot/pkg/model/push_context.go). */
function triggerOf(kind: string): string {
  if (kind === "EndpointSlice") return "endpoint";
  if (kind === "Pod") return "proxy";
  if (kind === "Service" || kind === "ServiceEntry") return "service";
  if (kind === "Secret") return "secret";
  if (kind === "Namespace") return "namespace";
  return kind === "ConfigMap" ? "global" : "config";
}

interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: readonly { readonly value: number; readonly labels: object; readonly metricName?: string }[];
}

const types: Readonly<Record<string, FamilyType>> = { counter: "counter", gauge: "gauge", histogram: "histogram", summary: "summary" };

function familyOf({ name, help, type, values }: MetricJson): Family {
  return {
    name,
    help,
    type: types[String(type)] ?? "unknown",
    samples: values.map(({ value, labels, metricName = name }) => ({
      name: metricName,
      labels: Object.entries(labels).map(([label, text]) => [label, labelText(text)] as const),
      value,
    })),
  };
}

/** prom-client has `le` as a number. */
function labelText(value: unknown): string {
  return value === Number.POSITIVE_INFINITY ? "+Inf" : String(value);
}

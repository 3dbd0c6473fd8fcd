// Where an application shows metrics of its own: a pod's annotations → scheme, port and path, as Istio's agent reads them (pilot-agent, status/server.go).

export interface ApplicationTarget {
  readonly scheme: "http" | "https";
  readonly port: number;
  /** With its query. */
  readonly path: string;
}

/** Ports of the pod's own agent: asking there for the application's metrics would go round in circles. */
const agentPorts: ReadonlySet<number> = new Set([15020, 15090]);

/** Undefined when the pod doesn't ask to be scraped, wants no merging (prometheus.istio.io/merge-metrics), or says where in an impossible way. */
export function applicationTargetOf(annotations: Readonly<Record<string, string>> = {}): ApplicationTarget | undefined {
  const of = (name: string): string | undefined => (Object.hasOwn(annotations, name) ? annotations[name] : undefined);
  if (of("prometheus.io/scrape") !== "true" || of("prometheus.istio.io/merge-metrics") === "false") return undefined;
  const scheme = (of("prometheus.io/scheme") ?? "http").toLowerCase();
  // Istio's defaults: port 80, path /metrics.
  const portText = of("prometheus.io/port") ?? "80";
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  if ((scheme !== "http" && scheme !== "https") || port < 1 || port > 65_535 || agentPorts.has(port)) return undefined;
  const path = of("prometheus.io/path") ?? "";
  return { scheme, port, path: pathOf(path) };
}

/** Node refuses anything but printable ASCII in a request's path. */
function pathOf(path: string): string {
  if (path === "") return "/metrics";
  const rooted = path.startsWith("/") ? path : `/${path}`;
  return rooted.replace(/[^\u0021-\u007e]/g, (character) => encodeURIComponent(character.toWellFormed()));
}

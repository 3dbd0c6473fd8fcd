// Manifests of the mesh that a real Prometheus watches: pods with metrics of their own or leave to scrape, routes that fail and wait, and Prometheus as a pod.

import { appYaml } from "./mesh.ts";
import { acceptsYaml } from "./security-yaml.ts";
import { routesYaml, subsetsYaml, yamlOf } from "./traffic-yaml.ts";

/** What an application shows: series of its own, a name that the proxy has too, a type that is another there, and junk. */
const applicationText = [
  "# TYPE orders_total counter",
  'orders_total{kind="book"} 42',
  "# TYPE istio_requests_total gauge",
  'istio_requests_total{fake="yes"} 1',
  "this is no metric",
  "",
].join("\n");
const serveApplication = `require("http").createServer((q, s) => s.end(q.url === "/own?x=1" ? ${JSON.stringify(applicationText)} : "?")).listen(9100, "127.0.0.1")`;

const pods = `
apiVersion: v1
kind: Pod
metadata:
  name: orders
  labels: {app: orders, version: v7, app.kubernetes.io/part-of: shop}
  annotations: {prometheus.io/scrape: "true", prometheus.io/port: "9100", prometheus.io/path: "/own?x=1"}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: test/orders}]}
---
apiVersion: v1
kind: Pod
metadata: {name: scraper, labels: {app: scraper}, annotations: {lateen.dev/scrapes-metrics: "true"}}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: app, image: "test/app:v1"}]}
`;

const routes = routesYaml("server", [
  {
    match: [{ uri: { prefix: "/slow" } }],
    fault: { delay: { fixedDelay: "0.3s", percentage: { value: 100 } } },
    route: [{ destination: { host: "server", subset: "v1" } }],
  },
  {
    match: [{ uri: { prefix: "/abort" } }],
    fault: { abort: { httpStatus: 503, percentage: { value: 100 } } },
    route: [{ destination: { host: "server", subset: "v1" } }],
  },
  {
    route: [
      { destination: { host: "server", subset: "v1" }, weight: 75 },
      { destination: { host: "server", subset: "v2" }, weight: 25 },
    ],
  },
]);

/** A client, a server of two versions that is slow at /slow and fails at /abort, an application with metrics, and a pod that may scrape. */
export const watchedManifests = yamlOf(
  appYaml("client", ["v1"]),
  appYaml("server", ["v1", "v2"]),
  subsetsYaml("server"),
  routes,
  acceptsYaml("server", "STRICT"),
  pods,
);

/** `images` of lateen.yaml for these manifests and for prometheusPod. */
export const watchedImages = {
  "test/orders": { command: [process.execPath, "-e", serveApplication] },
  "test/prometheus": { command: ["prometheus"] },
};

/** A Prometheus with this prometheus.yml on one line, and a Service before it. */
export function prometheusPod(program: string, config: string): string {
  return `
apiVersion: v1
kind: ConfigMap
metadata: {name: prometheus}
data: {prometheus.yml: '${config}'}
---
apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec: {selector: {app: prometheus}, ports: [{name: http, port: 9090}]}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, labels: {app: prometheus}, annotations: {lateen.dev/scrapes-metrics: "true"}}
spec:
  terminationGracePeriodSeconds: 1
  volumes: [{name: config, configMap: {name: prometheus}}, {name: data, emptyDir: {}}]
  containers:
    - name: prometheus
      image: test/prometheus
      command: ["${program}", --config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/data, "--web.listen-address=:9090"]
      volumeMounts: [{name: config, mountPath: /etc/prometheus}, {name: data, mountPath: /data}]
      readinessProbe: {httpGet: {path: /-/ready, port: 9090}, periodSeconds: 1}
`;
}

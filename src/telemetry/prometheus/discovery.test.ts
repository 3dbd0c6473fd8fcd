import { expect, test } from "vitest";
import { type DiscoveredPod, targetGroupsOf } from "./discovery.ts";

const pod = (more: Partial<DiscoveredPod> = {}): DiscoveredPod => ({
  namespace: "shop",
  name: "web-1",
  ip: "198.18.0.2",
  labels: { app: "web", version: "v1" },
  hasProxy: true,
  hasApplication: false,
  ...more,
});
const at = { address: "127.0.0.1:15014", node: "local" };

test("a pod is a path of one address, with the labels that Istio's own configuration gives", () => {
  const [group] = targetGroupsOf([pod()], { kind: "pods", ...at });
  expect(group?.targets).toEqual(["127.0.0.1:15014"]);
  expect(group?.labels).toMatchObject({
    __metrics_path__: "/pods/shop/web-1/stats/prometheus",
    namespace: "shop",
    pod: "web-1",
    node: "local",
    app: "web",
    version: "v1",
    container: "istio-proxy",
    instance: "198.18.0.2:15020",
    __meta_kubernetes_pod_label_app: "web",
  });
});

test("labels become names, and replace none of ours", () => {
  const labels = { "app.kubernetes.io/name": "web", pod: "other", job: "other", instance: "other", __address__: "evil:80", "1st": "x" };
  const [group] = targetGroupsOf([pod({ labels })], { kind: "pods", ...at });
  expect(group?.labels).toMatchObject({ app_kubernetes_io_name: "web", pod: "web-1", instance: "198.18.0.2:15020" });
  for (const name of ["job", "__address__", "1st"]) expect(group?.labels).not.toHaveProperty(name);
});

test("who has nothing to show, or no address yet, is no target; the list is sorted", () => {
  const pods = [
    pod({ name: "z", hasApplication: true }),
    pod({ name: "a" }),
    pod({ name: "plain", hasProxy: false }),
    pod({ name: "app", hasProxy: false, hasApplication: true }),
    pod({ name: "new", ip: "" }),
  ];
  const paths = (kind: "pods" | "applications") => targetGroupsOf(pods, { kind, ...at }).map(({ labels }) => labels["__metrics_path__"]);
  expect(paths("pods")).toEqual(["a", "app", "z"].map((name) => `/pods/shop/${name}/stats/prometheus`));
  expect(paths("applications")).toEqual(["app", "z"].map((name) => `/pods/shop/${name}/application`));
});

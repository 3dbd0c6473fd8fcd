// What endpoints say of their pods: the workload, and the template where a Deployment made them.

import { expect, test } from "vitest";
import type { Endpoint } from "../../model/mesh.ts";
import { clusterLoadAssignment } from "./cluster-load-assignment.ts";

function istioOf(labels: Readonly<Record<string, string>>): unknown {
  const workload = { name: "web", namespace: "shop", labels };
  const endpoint: Endpoint = { address: "198.18.0.1", ports: { 80: 8080 }, labels, weight: 1, workload };
  const { endpoints = [] } = clusterLoadAssignment({ cluster: "web", port: 80, service: "web.shop;web;shop;80" }, [endpoint]);
  return endpoints[0]?.lbEndpoints?.[0]?.metadata?.filterMetadata?.["istio"];
}

test("a pod's template is beside its workload, which Istio's labels are made of", () => {
  expect(istioOf({ app: "web", version: "v1", "pod-template-hash": "5f1508231a" })).toEqual({
    workload: "web;shop;web;v1;Kubernetes",
    target: "web.shop;web;shop;80~,web;shop;web;v1;Kubernetes",
    template: "5f1508231a",
  });
  expect(istioOf({ app: "web" })).toEqual({
    workload: "web;shop;web;latest;Kubernetes",
    target: "web.shop;web;shop;80~,web;shop;web;latest;Kubernetes",
  });
});

// Deployments, their ReplicaSets and pods: rollouts, what they report, and what holds whatever happens to them.

import { describe, expect, test } from "vitest";
import { randomOf } from "../../stats/testing/random.ts";
import { fenceOf } from "./rollout.ts";
import { deploymentRaw, startWorld, type World } from "./testing/world.ts";

const statusOf = ({ store }: World, name = "web") => store.get("Deployment", "default", name)?.value.status;
const conditionOf = (made: World, type: string) => statusOf(made)?.conditions.find((condition) => condition.type === type);

describe("deployments", () => {
  test("run their pods and report as Kubernetes does", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 3 }));
    await made.settle();
    expect(made.pods("v1").length).toBe(3);
    expect(made.pods()[0]?.raw.metadata).toMatchObject({ labels: { app: "web", "pod-template-hash": expect.any(String) } });
    expect(statusOf(made)).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(conditionOf(made, "Available")).toMatchObject({ status: "True", reason: "MinimumReplicasAvailable" });
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  test("replace a deleted pod and a failed one", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    const [first, second] = made.pods();
    made.store.delete({ kind: "Pod", namespace: "default", name: first?.name ?? "" }, { gracePeriodSeconds: 0 });
    made.store.updateStatus({ apiVersion: "v1", kind: "Pod", metadata: { name: second?.name ?? "" }, status: { phase: "Failed" } });
    await made.settle();
    const names = made.pods().map(({ name }) => name);
    expect(names.length).toBe(2);
    expect(names).not.toContain(first?.name);
    expect(names).not.toContain(second?.name);
  });

  test("hold back when pods keep failing", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 1 }));
    const failAll = async (): Promise<void> => {
      await made.controllers.idle();
      for (const { name } of made.pods())
        made.store.updateStatus({ apiVersion: "v1", kind: "Pod", metadata: { name }, status: { phase: "Failed" } });
      await made.controllers.idle();
    };
    await failAll();
    expect(made.pods().length).toBe(1);
    await failAll();
    expect(made.pods().length).toBe(0);
    made.timers.advance(1000);
    await made.controllers.idle();
    expect(made.pods().length).toBe(1);
  });

  test("delete pods that are not ready first", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 3 }));
    await made.settle();
    const broken = made.pods()[1];
    if (broken !== undefined) made.setReady(broken, false);
    made.store.update(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.controllers.idle();
    expect(made.pods().map(({ name }) => name)).not.toContain(broken?.name);
  });

  test("recreate never runs two versions together", async () => {
    const made = startWorld();
    const strategy = { type: "Recreate" };
    made.store.create(deploymentRaw("web", "v1", { replicas: 2, strategy }));
    await made.settle();
    made.store.update(deploymentRaw("web", "v2", { replicas: 2, strategy }));
    await made.controllers.idle();
    expect([made.pods().length, made.store.list("Pod").length]).toEqual([0, 2]);
    await made.settle();
    expect(made.pods("v2").length).toBe(2);
  });

  test("keep revisions, go back to an old one, and forget what is beyond the limit", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { revisionHistoryLimit: 2 }));
    for (const image of ["v2", "v3", "v4", "v2"]) {
      await made.settle();
      made.store.update(deploymentRaw("web", image, { revisionHistoryLimit: 2 }));
    }
    await made.settle();
    const sets = made.store
      .list("ReplicaSet")
      .map(({ value }) => [value.spec.template.spec.containers[0]?.image, value.metadata.annotations["deployment.kubernetes.io/revision"]]);
    expect(sets.toSorted()).toEqual([
      ["v2", "5"],
      ["v3", "3"],
      ["v4", "4"],
    ]);
    expect(made.store.get("Deployment", "default", "web")?.value.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "5",
    });
    expect(made.pods("v2").length).toBe(1);
  });

  test("pause, and resume", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    made.store.update(deploymentRaw("web", "v2", { replicas: 3, paused: true }));
    await made.settle();
    expect([made.pods("v1").length, made.pods("v2").length]).toEqual([3, 0]);
    expect(conditionOf(made, "Progressing")?.reason).toBe("DeploymentPaused");
    made.store.update(deploymentRaw("web", "v2", { replicas: 3 }));
    await made.settle();
    expect(made.pods("v2").length).toBe(3);
  });

  test("minReadySeconds: available only after it", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { replicas: 1, minReadySeconds: 10 }));
    await made.settle();
    expect(statusOf(made)).toMatchObject({ readyReplicas: 1, availableReplicas: 0 });
    made.timers.advance(10_000);
    await made.controllers.idle();
    expect(statusOf(made)).toMatchObject({ availableReplicas: 1 });
  });

  test("a rollout that stands still exceeds its deadline", async () => {
    const made = startWorld();
    made.store.create(deploymentRaw("web", "v1", { progressDeadlineSeconds: 60 }));
    await made.controllers.idle();
    made.timers.advance(61_000);
    await made.controllers.idle();
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "False", reason: "ProgressDeadlineExceeded" });
    await made.settle();
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    "rolling update, seed %i: within its limits at every event, and it ends",
    async (seed) => {
      const random = randomOf(seed);
      const replicas = 1 + Math.floor(random() * 6);
      const rollingUpdate = { maxSurge: Math.floor(random() * 3), maxUnavailable: `${Math.floor(random() * 60)}%` };
      const minReadySeconds = seed % 3 === 0 ? 5 : 0;
      const spec = { replicas, strategy: { type: "RollingUpdate", rollingUpdate }, minReadySeconds };
      const fence = fenceOf({ type: "RollingUpdate", rollingUpdate }, replicas);
      const made = startWorld();
      made.store.create(deploymentRaw("web", "v1", spec));
      await made.settle();
      made.timers.advance(5000);
      await made.settle();
      const extremes = { most: 0, least: replicas };
      made.store.subscribe(() => {
        const ready = made.pods().filter(({ value }) => value.status?.conditions[0]?.status === "True");
        extremes.most = Math.max(extremes.most, made.pods().length);
        extremes.least = Math.min(extremes.least, ready.length);
      });
      made.store.update(deploymentRaw("web", "v2", spec));
      for (let step = 0; step < 400 && !(made.pods("v2").length === replicas && made.store.list("Pod").length === replicas); step += 1) {
        await made.controllers.idle();
        const waiting = made.store
          .list("Pod")
          .filter(({ value }) => value.metadata.deletionTimestamp !== undefined || value.status?.podIP === undefined);
        const pod = waiting[Math.floor(random() * waiting.length)];
        if (pod?.value.metadata.deletionTimestamp !== undefined) made.finish(pod);
        else if (pod !== undefined) made.setReady(pod);
        made.timers.advance(1000);
      }
      await made.settle();
      expect([made.pods("v2").length, made.pods().length]).toEqual([replicas, replicas]);
      expect(extremes.most).toBeLessThanOrEqual(replicas + fence.surge);
      expect(extremes.least).toBeGreaterThanOrEqual(replicas - fence.unavailable);
    },
  );
});

// Pods as Kubernetes users expect them: environment, files, probes, init containers, crashes, and reasons one can read.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { findProcesses } from "../harness/processes.ts";

const waitMs = 60_000;
let mesh: TestMesh;

beforeAll(async () => {
  const tool = { command: ["sleep", "1000000"], workingDir: "/tmp", env: { FROM_IMAGE: "image", SHARED: "${shared}" } };
  mesh = await TestMesh.start({ manifests: appYaml("client", ["v1"]), lateenYaml: { images: { "test/tool": tool } } });
});

afterAll(async () => {
  await mesh?.close();
});

function podYaml(name: string, spec: string): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: default, labels: {app: ${name}}, annotations: {team: blue}}
spec:
  terminationGracePeriodSeconds: 1
${spec}
`;
}

function logOf(pod: string, container = "app"): string {
  const path = join(mesh.runDir, "logs", `default_${pod}_${container}.log`);
  return [`${path}.previous`, path].map((file) => (existsSync(file) ? readFileSync(file, "utf8") : "")).join("");
}

async function untilLogged(pod: string, text: string, container = "app"): Promise<void> {
  await eventually(() => logOf(pod, container).includes(text), waitMs, `"${text}" in the log of ${pod}`);
}

interface PodView {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly ready: boolean;
      readonly state: Readonly<Record<string, { reason?: string; message?: string }>>;
    }[];
  };
}

async function podOf(name: string): Promise<PodView> {
  return (await mesh.client.get({ kind: "Pod", name })) as PodView;
}

async function untilPod(name: string, condition: (pod: PodView) => boolean, what: string): Promise<void> {
  await eventually(async () => condition(await podOf(name)), waitMs, what);
}

const isReady = ({ status }: PodView): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
const waitingReason = ({ status }: PodView): string => status?.containerStatuses?.[0]?.state["waiting"]?.reason ?? "";
const restartsOf = ({ status }: PodView): number => status?.containerStatuses?.[0]?.restartCount ?? 0;

describe("environment and files", () => {
  it("come from ConfigMaps, Secrets, the image, the pod and each other", async () => {
    await mesh.apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {COLOUR: green, file.txt: "text of the file\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: default}
stringData: {PASSWORD: hunter2}
data: {BINARY: aGVsbG8=}
---
${podYaml(
  "env",
  `  containers:
    - name: app
      image: test/tool
      command: [sh, -c, 'echo "$GREETING|$COLOUR|$PASS|$BINARY|$FROM_IMAGE|$POD_NAME|$POD_IP|$TEAM|$ESCAPED|$0"; cat /config/file.txt /secret/PASSWORD; echo; touch /config/x 2>/dev/null || echo read-only; echo hi > /scratch/f && cat /scratch/f; hostname; exec sleep 100000']
      args: ["$(GREETING)-arg"]
      env:
        - {name: GREETING, value: hello}
        - {name: PASS, valueFrom: {secretKeyRef: {name: keys, key: PASSWORD}}}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: TEAM, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['team']"}}}
        - {name: ESCAPED, value: "$$(GREETING) $(GREETING) $(NOWHERE)"}
      envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: keys}}]
      volumeMounts:
        - {name: config, mountPath: /config, readOnly: true}
        - {name: secret, mountPath: /secret}
        - {name: scratch, mountPath: /scratch}
  volumes:
    - {name: config, configMap: {name: settings}}
    - {name: secret, secret: {secretName: keys}}
    - {name: scratch, emptyDir: {}}`,
)}`);
    await untilLogged("env", "\nhi\n".trim());
    await untilLogged("env", " F env\n");
    const log = logOf("env");
    expect(log).toMatch(/hello\|green\|hunter2\|hello\|image\|env\|198\.18\.\d+\.\d+\|blue\|\$\(GREETING\) hello \$\(NOWHERE\)\|hello-arg/);
    expect(log).toContain("text of the file");
    expect(log).toContain("F hunter2");
    expect(log).toContain("F read-only");
  });

  it("hostPath volumes are the machine's own folders, read-only where asked", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lateen-host-path-"));
    try {
      writeFileSync(join(folder, "given"), "from the host\n");
      await mesh.apply(
        podYaml(
          "host-path",
          `  containers:
    - name: app
      image: test/tool
      command: [sh, -c, 'cat /data/given; echo written > /data/answer; touch /fixed/x 2>/dev/null || echo read-only; cat /one; ls -A /host/proc | wc -l; exec sleep 100000']
      volumeMounts:
        - {name: data, mountPath: /data}
        - {name: data, mountPath: /fixed, readOnly: true}
        - {name: one, mountPath: /one}
        - {name: host, mountPath: /host}
  volumes:
    - {name: data, hostPath: {path: ${folder}, type: Directory}}
    - {name: one, hostPath: {path: ${folder}/given, type: File}}
    - {name: host, hostPath: {path: /}}`,
        ),
      );
      await untilLogged("host-path", " F 0\n");
      expect(logOf("host-path").match(/F from the host/g)).toHaveLength(2);
      expect(logOf("host-path")).toContain("F read-only");
      expect(readFileSync(join(folder, "answer"), "utf8")).toBe("written\n");
      const missing = podYaml(
        "no-host-path",
        `  containers: [{name: app, image: test/tool, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, hostPath: {path: ${folder}/nothing, type: Directory}}]`,
      );
      await mesh.apply(missing);
      await untilPod("no-host-path", (pod) => JSON.stringify(pod.status ?? {}).includes(`${folder}/nothing`), "the reason");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("a pod whose ConfigMap is missing waits, says so, and starts once it is there", async () => {
    await mesh.apply(podYaml("late", "  containers: [{name: app, image: test/tool, envFrom: [{configMapRef: {name: late-settings}}]}]"));
    await untilPod("late", (pod) => JSON.stringify(pod.status?.["conditions"] ?? []).includes("late-settings"), "the reason in the status");
    const status = await lateenOn(mesh, ["status"]);
    expect(status.stdout).toContain('ConfigMap "late-settings"');
    await mesh.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late-settings, namespace: default}\ndata: {a: b}\n");
    await untilPod("late", isReady, "the pod ready");
  });

  it("an image that lateen.yaml doesn't know is named with its fix", async () => {
    await mesh.apply(podYaml("unknown-image", "  containers: [{name: app, image: nobody/knows:v1}]"));
    await untilPod("unknown-image", (pod) => JSON.stringify(pod.status?.["conditions"] ?? []).includes("nobody/knows:v1"), "the reason");
    const status = await lateenOn(mesh, ["status"]);
    expect(status.stdout).toMatch(/nobody\/knows:v1/);
    expect(status.stdout).toMatch(/lateen\.yaml/);
    await mesh.remove(podYaml("unknown-image", "  containers: [{name: app, image: nobody/knows:v1}]"));
  });
});

describe("the network", () => {
  /** What each pod's kernel knows of the node: its hardware address, by Envoy process. */
  const neighbours = (): readonly string[] =>
    findProcesses(mesh.pid, /envoy\.json/).flatMap(({ pid }) => {
      const entry = readFileSync(`/proc/${pid}/net/arp`, "utf8")
        .split("\n")
        .find((line) => line.startsWith("198.18.0.1 "));
      return entry === undefined ? [] : [entry.split(/ +/)[3] ?? ""];
    });

  it("pods that come don't change the node's address, or what others send to it would be lost for a time", async () => {
    const flags = "http://198.18.0.1:8016/ofrep/v1/configuration";
    for (const name of ["one", "two", "three"]) {
      await mesh.apply(appYaml(name, ["v1"]));
      const reaches = () =>
        mesh.load(name, flags, { count: 1 }).then(
          ({ byStatus }) => byStatus["200"] === 1,
          () => false,
        );
      await eventually(reaches, waitMs, `${name} reaches the node`);
    }
    const known = neighbours();
    expect(known.length).toBeGreaterThanOrEqual(3);
    expect(new Set(known)).toEqual(new Set(["02:4c:54:45:4e:01"]));
  });
});

describe("the life of containers", () => {
  it("one that crashes is restarted with growing pauses, and the status says why", async () => {
    await mesh.apply(podYaml("crash", '  containers: [{name: app, image: test/tool, command: [sh, -c, "echo dying; exit 3"]}]'));
    await untilPod("crash", (pod) => waitingReason(pod) === "CrashLoopBackOff" && restartsOf(pod) >= 2, "CrashLoopBackOff");
    expect(JSON.stringify(await podOf("crash"))).toMatch(/exit code 3/);
    // Each time it is tried again it counts as ready, until it ends.
    const status = async () => (await lateenOn(mesh, ["status"])).stdout;
    await expect.poll(status, { timeout: waitMs }).toMatch(/crash .*not ready[\s\S]*exit code 3/);
    const logs = await lateenOn(mesh, ["logs", "crash", "--previous"]);
    expect(logs.stdout).toContain("dying");
    const own = await lateenOn(mesh, ["logs", "--own"]);
    expect(own.stdout).toMatch(/warn node: a container ended and is started again {2}pod=default\/crash {2}container=app {2}exitCode=3/);
  });

  it("init containers run in order before the others", async () => {
    await mesh.apply(
      podYaml(
        "init",
        `  initContainers:
    - {name: one, image: test/tool, command: [sh, -c, "sleep 0.3; echo one >> /data/order"], volumeMounts: [{name: data, mountPath: /data}]}
    - {name: two, image: test/tool, command: [sh, -c, "echo two >> /data/order"], volumeMounts: [{name: data, mountPath: /data}]}
  containers:
    - {name: app, image: test/tool, command: [sh, -c, "tr '\\\\n' ' ' < /data/order; echo end; exec sleep 100000"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, emptyDir: {}}]`,
      ),
    );
    await untilLogged("init", "one two end");
    await untilPod("init", isReady, "the pod ready");
  });

  it("an init container that fails once is tried again", async () => {
    await mesh.apply(
      podYaml(
        "init-again",
        `  initContainers:
    - {name: flaky, image: test/tool, command: [sh, -c, "test -e /data/tried || { touch /data/tried; exit 1; }"], volumeMounts: [{name: data, mountPath: /data}]}
  containers: [{name: app, image: test/tool}]
  volumes: [{name: data, emptyDir: {}}]`,
      ),
    );
    await untilPod("init-again", isReady, "the pod ready");
  });

  it("readiness decides whether traffic comes, liveness restarts", async () => {
    const flag = join(`${mesh.runDir}.shared`, "healthy");
    const probe = `exec: {command: [test, -e, "${flag}"]}, periodSeconds: 1, failureThreshold: 1`;
    writeFileSync(flag, "");
    await mesh.apply(
      `${appYaml("gated", ["v1"]).replace(/readinessProbe:\n.*httpGet:\n.*\n.*\n.*periodSeconds: 1/, `readinessProbe: {${probe}}`)}`,
    );
    await eventually(async () => (await mesh.http("client", "http://gated/")).status === 200, waitMs, "traffic");
    const { rmSync } = await import("node:fs");
    rmSync(flag);
    await eventually(async () => (await mesh.http("client", "http://gated/")).status === 503, waitMs, "no traffic while not ready");
    const [pod = ""] = await mesh.pods("gated");
    expect(restartsOf(await podOf(pod))).toBe(0);
    writeFileSync(flag, "");
    await eventually(async () => (await mesh.http("client", "http://gated/")).status === 200, waitMs, "traffic again");
    await mesh.apply(podYaml("alive", `  containers: [{name: app, image: test/tool, livenessProbe: {${probe}}}]`));
    await untilPod("alive", isReady, "the pod ready");
    rmSync(flag);
    await untilPod("alive", (view) => restartsOf(view) >= 1, "a restart");
  });

  it("a Pod of one command ends as Succeeded or Failed", async () => {
    await mesh.apply(podYaml("done", "  restartPolicy: Never\n  containers: [{name: app, image: test/tool, command: ['true']}]"));
    await mesh.apply(podYaml("broken", "  restartPolicy: Never\n  containers: [{name: app, image: test/tool, command: ['false']}]"));
    await untilPod("done", ({ status }) => status?.phase === "Succeeded", "Succeeded");
    await untilPod("broken", ({ status }) => status?.phase === "Failed", "Failed");
  });
});

import { describe, expect, test } from "vitest";
import { captureOf } from "./capture-annotations.ts";
import { createImageTable } from "./images.ts";
import { type ContainerState, type PodState, podStatusOf, restartDelayMs, waitingState } from "./pod-status.ts";

describe("Istio's capture annotations", () => {
  test.each([
    [{}, {}],
    [{ includeInboundPorts: "*", includeOutboundIPRanges: "*" }, {}],
    [{ includeInboundPorts: "" }, { includeInboundPorts: [] }],
    [{ excludeOutboundPorts: "5432, 6379,x,0,70000" }, { excludeOutboundPorts: [5432, 6379] }],
    [{ excludeOutboundIPRanges: "10.0.0.0/8, 192.168.1.1" }, { excludeOutboundIPRanges: ["10.0.0.0/8", "192.168.1.1"] }],
  ])("%j", (annotations, expected) => {
    const prefixed = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`traffic.sidecar.istio.io/${name}`, value]));
    expect(captureOf({ ...prefixed, other: "x" })).toEqual(expected);
  });
});

describe("images", () => {
  const placeholder = "${shared}";
  const table = { web: { command: ["node", `${placeholder}/a.js`], workingDir: "./web", env: { FILE: placeholder } } };
  const images = createImageTable({ table, baseDir: "/app", sharedDir: "/run/m.shared", path: "/node/bin:/bin", home: "/home/me" });

  test("are processes in folders beside lateen.yaml", () => {
    expect(images.processOf("web")).toMatchObject({ command: ["node", "/run/m.shared/a.js"], workingDir: "/app/web" });
  });

  test("get PATH and HOME unless the container has its own", () => {
    expect(images.complete({ FILE: placeholder })).toEqual({ PATH: "/node/bin:/bin", HOME: "/home/me", FILE: "/run/m.shared" });
    expect(images.complete({ HOME: "/root" })).toMatchObject({ HOME: "/root" });
  });

  test.each(["nope", "constructor", "__proto__"])("that nobody mapped are told with the line to add: %s", (name) => {
    expect(() => images.processOf(name)).toThrow(`no command is known for the image "${name}"`);
  });
});

describe("a pod's status", () => {
  const at = "2030-01-01T00:00:00Z";
  const later = "2030-01-01T00:00:09Z";
  const running: ContainerState = { ...waitingState("c", "i"), phase: { kind: "running", startedAt: at }, started: true, ready: true };
  const base: PodState = {
    ip: "198.18.0.9",
    startTime: at,
    containers: [running],
    initContainers: [],
    sidecarReady: true,
    ended: undefined,
    terminating: false,
  };
  const seen = (state: PodState) => {
    const status = podStatusOf(state, [], at);
    const conditions = Array.isArray(status["conditions"]) ? status["conditions"] : [];
    return { phase: status["phase"], ready: conditions.find(({ type }) => type === "Ready") };
  };

  test.each<[string, Partial<PodState>, string, object]>([
    ["ready", {}, "Running", { status: "True" }],
    ["without sidecar", { sidecarReady: undefined }, "Running", { status: "True" }],
    ["its proxy is behind", { sidecarReady: false }, "Running", { status: "False", reason: "ProxyNotReady" }],
    ["ending", { terminating: true }, "Running", { status: "False", reason: "Terminating" }],
    ["a probe fails", { containers: [{ ...running, ready: false }] }, "Running", { status: "False", message: "containers not ready: c" }],
    ["created", { containers: [waitingState("c", "i")] }, "Pending", { status: "False", reason: "ContainersNotReady" }],
    [
      "an image nobody knows, which no configuration of the proxy will cure",
      {
        sidecarReady: false,
        containers: [{ ...waitingState("c", "i"), phase: { kind: "waiting", reason: "ErrImage", message: "no command is known" } }],
      },
      "Pending",
      { status: "False", reason: "ErrImage", message: "no command is known" },
    ],
    ["over", { ended: { failed: true, reason: "Error", message: "exit code 1" } }, "Failed", { status: "False", reason: "Error" }],
    ["a gateway: no container, an Envoy", { containers: [] }, "Running", { status: "True" }],
  ])("%s", (_what, change, phase, ready) => {
    expect(seen({ ...base, ...change })).toMatchObject({ phase, ready });
  });

  test("conditions keep their time until they change, and other writers' stay", () => {
    const before = [
      { type: "Ready", status: "True", lastTransitionTime: at },
      { type: "ContainersReady", status: "False", lastTransitionTime: at },
      { type: "lateen.dev/drained", status: "True", lastTransitionTime: at },
    ] as const;
    expect(podStatusOf(base, before, later)["conditions"]).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: "Ready", lastTransitionTime: at }),
        expect.objectContaining({ type: "ContainersReady", status: "True", lastTransitionTime: later }),
        before[2],
      ]),
    );
  });

  test("restarts wait longer each time, half a minute at most", () => {
    expect([0, 1, 2, 3, 20].map(restartDelayMs)).toEqual([0, 500, 1000, 2000, 30_000]);
  });
});

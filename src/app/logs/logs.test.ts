import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MeshError } from "../../lib/errors.ts";
import { chooseLogs, workloadLogs } from "./choose.ts";
import { LineJoiner, type LogEntry, parseCriLine } from "./cri.ts";
import { type ContainerLog, containerLogs, LogFollower, readLog } from "./log-files.ts";
import { byTime, entriesOf, ReorderBuffer } from "./merge.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "logs-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

let clock = 0;
/** A line at the next second. */
function line(text: string, { tag = "F", stream = "stdout" } = {}): string {
  clock += 1;
  return `${new Date(clock * 1000).toISOString()} ${stream} ${tag} ${text}\n`;
}

function logOf(name: string): ContainerLog {
  const [namespace = "", pod = "", container = ""] = name.split("_");
  return { namespace, pod, container, path: join(folder, `${name}.log`) };
}

const textsOf = (entries: readonly { readonly text: string }[]) => entries.map(({ text }) => text);

describe("parseCriLine", () => {
  test.each([
    ["2030-01-01T00:00:00.000Z stdout F a b ", { time: "2030-01-01T00:00:00.000Z", stream: "stdout", isPartial: false, text: "a b " }],
    ["t stderr P x", { time: "t", stream: "stderr", isPartial: true, text: "x" }],
    ["t stdout F ", { time: "t", stream: "stdout", isPartial: false, text: "" }],
    ["t stdout F a\rb", { time: "t", stream: "stdout", isPartial: false, text: "a\rb" }],
    ["", undefined],
    ["half a li", undefined],
    ["t stdin F x", undefined],
  ])("%j", (text, expected) => {
    expect(parseCriLine(text)).toEqual(expected);
  });
});

test("parts of a long line are joined, per stream", () => {
  const joiner = new LineJoiner();
  expect(joiner.push(["1 stdout P a", "2 stderr F e", "3 stdout P b"])).toEqual([{ time: "2", stream: "stderr", text: "e" }]);
  expect(joiner.push(["4 stdout F c", "5 stdout P open"])).toEqual([{ time: "1", stream: "stdout", text: "abc" }]);
  expect(joiner.flush()).toEqual([{ time: "5", stream: "stdout", text: "open" }]);
});

describe("lines of several logs", () => {
  const entry = (time: string, text: string): LogEntry => ({ time, stream: "stdout", text });
  const texts = (entries: readonly LogEntry[]) => entries.map(({ text }) => text).join(" ");

  test("stand in the order of time; what one container wrote stays in its order", () => {
    const a = entriesOf(logOf("n_p_a"), [entry("1", "a1"), entry("3", "a3"), entry("3", "a3b")]);
    const b = entriesOf(logOf("n_p_b"), [entry("2", "b2")]);
    expect(texts(byTime([...a, ...b]))).toBe("a1 b2 a3 a3b");
  });

  test.each([
    ['[2030-01-01T00:00:00.007Z] "GET / HTTP/1.1" 200', "2030-01-01T00:00:00.007Z"],
    ['{"method":"GET","start_time":"2030-01-01T00:00:00.007Z"}', "2030-01-01T00:00:00.007Z"],
    ["something of one's own", "late"],
    ["[2030] x", "late"],
  ])("a proxy's line stands where its request began: %s", (text, time) => {
    expect(entriesOf(logOf("n_p_istio-proxy"), [entry("late", text)])[0]?.time).toBe(time);
    expect(entriesOf(logOf("n_p_app"), [entry("late", text)])[0]?.time).toBe("late");
  });

  test("wait while they are followed, and then come with all that happened before", () => {
    const log = logOf("n_p_a");
    const buffer = new ReorderBuffer(100);
    const push = (at: number, ...entries: readonly LogEntry[]) => texts(buffer.push(entriesOf(log, entries), at));
    expect(push(0, entry("2", "two"), entry("5", "five"))).toBe("");
    expect(push(50, entry("1", "one"), entry("9", "nine"))).toBe("");
    expect(push(100)).toBe("one two five");
    expect(push(120, entry("3", "late"))).toBe("");
    expect(texts(buffer.flush())).toBe("late nine");
    expect(texts(new ReorderBuffer(0).push(entriesOf(log, [entry("2", "two"), entry("1", "one")]), 0))).toBe("two one");
  });
});

describe("files", () => {
  test("the folder names namespaces, pods and containers", () => {
    for (const file of [
      "shop_web-v1-x_web.log",
      "shop_web-v1-x_web.log.1",
      "shop_web-v1-x_istio-proxy.log",
      "control-plane.log",
      "a_b_c_d.log",
    ])
      writeFileSync(join(folder, file), "");
    expect(containerLogs(folder).map(({ namespace, pod, container }) => [namespace, pod, container])).toEqual([
      ["shop", "web-v1-x", "istio-proxy"],
      ["shop", "web-v1-x", "web"],
    ]);
    expect(containerLogs(join(folder, "nowhere"))).toEqual([]);
  });

  test("readLog reads the rotated file first, or the run before", () => {
    const log = logOf("n_p_c");
    writeFileSync(`${log.path}.previous`, line("before"));
    writeFileSync(`${log.path}.1`, line("one"));
    writeFileSync(log.path, line("two") + line("half", { tag: "P" }));
    expect(textsOf(readLog(log, { previous: false }))).toEqual(["one", "two", "half"]);
    expect(textsOf(readLog(log, { previous: true }))).toEqual(["before"]);
  });

  test("LogFollower sees what is there and what comes, whole lines only, through rotation and restart", () => {
    const log = logOf("n_p_c");
    writeFileSync(`${log.path}.1`, line("old"));
    writeFileSync(log.path, line("a"));
    const follower = new LogFollower(log);
    expect(textsOf(follower.first())).toEqual(["old", "a"]);
    const [head, rest] = [line("b é").slice(0, -3), line("b é").slice(-3)];
    appendFileSync(log.path, head);
    expect(follower.poll()).toEqual([]);
    appendFileSync(log.path, rest);
    expect(textsOf(follower.poll())).toEqual(["b é"]);
    appendFileSync(log.path, line("c"));
    renameSync(log.path, `${log.path}.1`);
    expect(textsOf(follower.poll())).toEqual(["c"]);
    writeFileSync(log.path, line("d"));
    expect(textsOf(follower.poll())).toEqual(["d"]);
    renameSync(log.path, `${log.path}.previous`);
    writeFileSync(log.path, line("after the restart"));
    expect(textsOf(follower.poll())).toEqual(["after the restart"]);
    follower.close();
  });

  test("LogFollower waits for a file that isn't there yet, and reads none twice when it rotates between", () => {
    const log = logOf("n_p_c");
    const early = new LogFollower(log);
    expect(early.first()).toEqual([]);
    writeFileSync(log.path, line("a"));
    expect(textsOf(early.poll())).toEqual(["a"]);
    const late = new LogFollower(log);
    renameSync(log.path, `${log.path}.1`);
    expect(textsOf(late.first())).toEqual(["a"]);
    early.close();
    late.close();
  });
});

describe("chooseLogs", () => {
  const logs = ["shop_web_web", "shop_web_istio-proxy", "shop_two_a", "shop_two_b", "edge_gateway_istio-proxy"].map(logOf);
  const choice = { namespace: "shop", pod: "web", container: undefined, allContainers: false };

  function failureOf(run: () => unknown): string {
    try {
      run();
    } catch (error) {
      const { message, fix } = MeshError.from(error);
      return `${message} | ${fix}`;
    }
    return "none";
  }

  test("the program by default, the proxy by name, the proxy where there is nothing else, or all", () => {
    const containers = (more: object) => chooseLogs(logs, { ...choice, ...more }).map(({ container }) => container);
    expect(containers({})).toEqual(["web"]);
    expect(containers({ container: "istio-proxy" })).toEqual(["istio-proxy"]);
    expect(containers({ namespace: "edge", pod: "gateway" })).toEqual(["istio-proxy"]);
    expect(containers({ allContainers: true })).toEqual(["web", "istio-proxy"]);
  });

  test("of a workload: everything of its pods, or one container, with the proxies, without them, or only they", () => {
    const of = (more: object) =>
      workloadLogs(logs, { namespace: "shop", pods: ["web", "two"], container: undefined, proxy: "with", ...more })
        .map(({ pod, container }) => `${pod}/${container}`)
        .join(" ");
    expect(of({})).toBe("web/web web/istio-proxy two/a two/b");
    expect(of({ proxy: "without" })).toBe("web/web two/a two/b");
    expect(of({ proxy: "only" })).toBe("web/istio-proxy");
    expect(of({ container: "a" })).toBe("two/a");
    expect(of({ pods: [] })).toBe("");
  });

  test.each([
    [{ pod: "wep" }, /no log of a pod wep in namespace shop \| .*: web, two$/],
    [{ namespace: "default" }, /\| it is in another namespace: add -n shop$/],
    [{ namespace: "default", pod: "x" }, /\| namespaces with logs: shop, edge$/],
    [{ container: "wep" }, /no log of a container wep \| choose one of: web, istio-proxy$/],
    [{ pod: "two" }, /several containers \| choose one with -c.*: a, b$/],
  ])("says what exists for %j", (more, expected) => {
    expect(failureOf(() => chooseLogs(logs, { ...choice, ...more }))).toMatch(expected);
  });
});

// What scenarios are made of: pods with defaults, containers whose output is kept, small servers and clients.

import type { Container, ContainerSpec, Exit, Fabric, LogLine, PodSandbox, PodSpec, Sidecar } from "../sandbox.ts";

export interface World {
  readonly fabric: Fabric;
  readonly runDir: string;
}

/** Something a test does inside the fabric; the answer travels over IPC. */
export type Scenario = (world: World, input: unknown) => Promise<unknown>;

let made = 0;

/** A pod with defaults. */
export async function testPod(world: World, spec: Partial<PodSpec> = {}): Promise<PodSandbox> {
  made += 1;
  return await world.fabric.createPod({ uid: `uid-${made}`, namespace: "default", name: `pod-${made}`, sidecar: false, ...spec });
}

export interface TestRun {
  readonly container: Container;
  readonly lines: LogLine[];
  /** Everything it printed so far. */
  text(): string;
  /** Waits until its output matches. */
  untilText(pattern: string): Promise<void>;
}

/** Starts a container and keeps its output. */
export async function testContainer(pod: PodSandbox, argv: ContainerSpec["argv"], more: Partial<ContainerSpec> = {}): Promise<TestRun> {
  const lines: LogLine[] = [];
  const waiting: (() => void)[] = [];
  const onLog = (line: LogLine): void => {
    lines.push(line);
    for (const wake of waiting) wake();
  };
  const container = await pod.startContainer({ name: "app", argv, env: {}, workingDir: "/", onLog, ...more });
  const text = (): string => lines.map((line) => line.text).join("\n");
  const untilText = (pattern: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (text().includes(pattern)) resolve();
      };
      waiting.push(check);
      check();
      void container.exited.then((exit) => reject(new Error(`ended with ${exit.exitCode} before "${pattern}": ${text()}`)));
    });
  return { container, lines, text, untilText };
}

/** Runs a command in a pod to its end: exit and output. */
export async function runIn(
  pod: PodSandbox,
  argv: ContainerSpec["argv"],
  more: Partial<ContainerSpec> = {},
): Promise<Exit & { text: string }> {
  const run = await testContainer(pod, argv, more);
  const exit = await run.container.exited;
  return { ...exit, text: run.text() };
}

/** Runs JavaScript in a pod. */
export function runScript(pod: PodSandbox, script: string): Promise<Exit & { text: string }> {
  return runIn(pod, [process.execPath, "-e", script]);
}

/** An HTTP server in a pod that says `name` and who asked. */
export async function startHttpServer(pod: PodSandbox, options: { name: string; port: number; host?: string }): Promise<TestRun> {
  const { name, port, host = "0.0.0.0" } = options;
  const script = `require("http").createServer((q,s)=>s.end(${JSON.stringify(name)}+" "+q.socket.remoteAddress)).listen(${port},${JSON.stringify(host)},()=>console.log("listening"))`;
  const run = await testContainer(pod, [process.execPath, "-e", script]);
  await run.untilText("listening");
  return run;
}

/** JavaScript that prints the answer of a URL, or the error's code. */
export const fetchScript = (url: string): string =>
  `require("http").get(${JSON.stringify(url)},{agent:false},r=>{let b="";r.on("data",c=>b+=c);r.on("end",()=>console.log(r.statusCode,b))}).on("error",e=>console.log(e.code))`;

export interface TestSidecar {
  readonly sidecar: Sidecar;
  readonly seen: string[];
}

/** The stand-in for Envoy (fake-envoy.ts), ready. */
export async function startFakeEnvoy(pod: PodSandbox, vips: Readonly<Record<string, string>> = {}): Promise<TestSidecar> {
  const seen: string[] = [];
  const adminPath = `${pod.dir}/admin.sock`;
  const sidecar = await pod.startSidecar({ bootstrap: { adminPath, vips }, adminPath, onLog: (line) => seen.push(line.text) });
  await sidecar.ready({ timeoutMs: 60_000 });
  return { sidecar, seen };
}

// Scenarios about processes: exit codes, signals, limits, files, exec, probes.

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { applicationPid } from "../container.ts";
import { runIn, runScript, type Scenario, startFakeEnvoy, testContainer, testPod, type World } from "./pod-kit.ts";

const shell = (script: string): [string, ...string[]] => ["sh", "-c", script];

async function exitCodes(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const three = await runIn(pod, shell("echo out; echo err >&2; exit 3"));
  const killed = await runIn(pod, shell("kill -SEGV $$"));
  const missing = await runIn(pod, ["no-such-program"]);
  const noDirectory = await runIn(pod, ["true"], { workingDir: "/no/such/directory" }).catch((error: Error) => error.message);
  await pod.close();
  return { three, killed, missing, noDirectory };
}

/** SIGTERM reaches the application; one that ignores it is killed after the grace. */
async function stopping(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const polite = await testContainer(pod, shell('trap "echo got term; exit 7" TERM; echo up; while :; do sleep 0.02; done'));
  await polite.untilText("up");
  const plain = await testContainer(pod, ["sleep", "1000"]);
  const stubborn = await testContainer(pod, shell('trap "" TERM; echo up; while :; do sleep 0.02; done'));
  await stubborn.untilText("up");
  const result = {
    polite: await polite.container.stop({ graceMs: 10_000 }),
    politeText: polite.text(),
    plain: await plain.container.stop({ graceMs: 10_000 }),
    stubborn: await stubborn.container.stop({ graceMs: 50 }),
  };
  await pod.close();
  return result;
}

const processExists = (marker: string): boolean =>
  readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(marker);
    } catch {
      return false;
    }
  });

/** A double-forked daemon dies with its container's application, and with its pod. */
async function daemons(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const daemon = (marker: string): string => `(setsid sh -c 'sleep ${marker}; :' >/dev/null 2>&1 &); `;
  const ending = await testContainer(pod, shell(`${daemon("90001")} sleep 0.1; echo up; read x </dev/zero; sleep 1000`));
  await ending.untilText("up");
  const alive = processExists("90001");
  await ending.container.stop({ graceMs: 2000 });
  const afterStop = processExists("90001");
  const second = await testContainer(pod, shell(`${daemon("90002")} sleep 0.1; echo up; sleep 1000`));
  await second.untilText("up");
  await pod.close();
  return { alive, afterStop, afterClose: processExists("90002"), directoryLeft: existsSync(pod.dir) };
}

/** What an application must not be able to do beside its sidecar. */
async function limits(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  const { sidecar } = await startFakeEnvoy(pod);
  const script = [
    `const f=require("fs");const koffi=require(${JSON.stringify(require_("koffi"))});const c=koffi.load(null);`,
    `const s=c.func("int socket(int,int,int)")(2,1,0);const v=Buffer.alloc(4);v.writeInt32LE(0x539);`,
    `const r=c.func("int setsockopt(int,int,int,void*,int)")(s,1,36,v,4);const errno=koffi.errno();`,
    `const raw=c.func("int socket(int,int,int)")(2,3,1);`,
    `const status=f.readFileSync("/proc/self/status","utf8");`,
    `const pids=f.readdirSync("/proc").filter(n=>/^\\d+$/.test(n));`,
    `const cmds=pids.map(p=>{try{return f.readFileSync("/proc/"+p+"/cmdline","utf8").split("\\0")[0]}catch{return ""}});`,
    `let listed;try{listed=f.readdirSync(${JSON.stringify(world.runDir)})}catch(e){listed=e.code}`,
    `let admin;try{f.statSync(${JSON.stringify(join(pod.dir, "admin.sock"))});admin="there"}catch(e){admin=e.code}`,
    `console.log(JSON.stringify({mark:r,eperm:errno===koffi.os.errno.EPERM,raw,capEff:/CapEff:\\s*(\\w+)/.exec(status)[1],noNewPrivs:/NoNewPrivs:\\s*(\\d)/.exec(status)[1],pids:pids.length,cmds,listed,admin}))`,
  ].join("");
  const seen = await runScript(pod, script);
  const unmount = await runIn(pod, shell(`umount ${world.runDir} 2>&1; umount -l /proc 2>&1; ls -A ${world.runDir} | wc -l`));
  const userNamespace = await runIn(
    pod,
    shell(`unshare -Urm sh -c 'umount ${world.runDir} 2>/dev/null; ls -A ${world.runDir} | wc -l' 2>/dev/null || echo 0`),
  );
  const sidecarPid = sidecar.pid;
  await pod.close();
  return {
    seen: z.record(z.string(), z.unknown()).parse(JSON.parse(seen.text)),
    unmount: unmount.text,
    userNamespace: userNamespace.text,
    sidecarPid,
  };
}

/** The files of the kernel as a container's root sees them, and a command that runs in it. */
async function kernelFiles(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const script = [
    'echo "read: $(cat /proc/sys/net/core/somaxconn)"',
    "(echo 1 > /proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo network written || echo network refused",

    'awk \'$5 == "/sys" {print $6}\' /proc/self/mountinfo | grep -q "^ro" && echo sys refused || echo sys written',
    'echo "keys $(cat /proc/keys 2>/dev/null | wc -c)"',
    "sleep 1000",
  ];
  const run = await testContainer(pod, shell(script.join("\n")));
  await run.untilText("keys");
  const exec = await run.container.exec({ argv: shell("echo 1 > /proc/sys/net/ipv4/ip_forward") });
  await pod.close();
  return { text: run.text(), execText: exec.output };
}

const require_ = (name: string): string => import.meta.resolve(name).replace("file://", "");

/** Environment, names, files and volumes. */
async function files(world: World): Promise<unknown> {
  const pod = await testPod(world, { name: "web-0", namespace: "shop", hostAliases: [{ ip: "10.1.2.3", hostnames: ["legacy", "old"] }] });
  const volume = join(pod.dir, "volumes", "config");
  mkdirSync(volume);
  writeFileSync(join(volume, "key"), "value");
  const script = [
    "hostname",
    "cat /etc/resolv.conf /etc/hosts",
    "env | sort",
    "pwd",
    "cat /etc/lateen-test/deep/config/key; echo",
    "cat /lateen-data/key; echo",
    "(echo no > /etc/lateen-test/deep/config/key) 2>/dev/null || echo read-only",
    "echo yes > /lateen-data/new && cat /lateen-data/new",
    "ls /etc/passwd /usr/bin/env",
    'sh -c "echo again > /dev/stdout"',
    `ls -A ${world.runDir} | wc -l`,
    `ls -A /lateen-host${world.runDir.replace("/tmp", "")} | wc -l`,
  ].join("\n");
  const run = await runIn(pod, shell(script), {
    env: { GREETING: "a 'quoted' $VALUE", LD_PRELOAD_X: "1" },
    workingDir: "/lateen-data",
    volumes: [
      { hostPath: volume, mountPath: "/etc/lateen-test/deep/config", readOnly: true },
      { hostPath: volume, mountPath: "/lateen-data" },
      { hostPath: "/tmp", mountPath: "/lateen-host" },
    ],
  });
  const refused = await runIn(pod, ["true"], { volumes: [{ hostPath: world.runDir, mountPath: "/x" }] }).catch(
    (error: Error) => error.message,
  );
  const absent = await runIn(pod, ["true"], { volumes: [{ hostPath: "/no/such", mountPath: "/x" }] }).catch(
    (error: Error) => error.message,
  );
  const hostUntouched = !existsSync("/etc/lateen-test") && !existsSync("/lateen-data");
  const written = existsSync(join(volume, "new"));
  await pod.close();
  return { run, refused, absent, hostUntouched, written, ip: pod.ip, cwd: process.cwd() };
}

/** Mount points below one another: inside pod volumes they are created there, elsewhere the host must not notice. */
async function nestedVolumes(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const [data = "", config = ""] = ["data", "config"].map((name) => join(pod.dir, "volumes", name));
  for (const path of [data, config]) mkdirSync(path);
  writeFileSync(join(config, "key"), "value");
  const mountPaths = ["/usr/lateen-b/y", "/usr/share/lateen-a/x", "/lateen-work/conf", "/lateen-work/conf/deeper/still"];
  const script = `cat ${mountPaths.map((path) => `${path}/key`).join(" ")}; echo; echo shared > /lateen-work/file; test -d /usr/share/misc -o -d /usr/share/common-licenses && echo usr`;
  const run = await runIn(pod, shell(script), {
    volumes: [
      { hostPath: data, mountPath: "/lateen-work" },
      ...mountPaths.map((mountPath) => ({ hostPath: config, mountPath, readOnly: true })),
      { hostPath: join(config, "key"), mountPath: "/etc/lateen/single-file" },
    ],
  });
  const result = {
    text: run.text,
    inVolume: readFileSync(join(data, "file"), "utf8"),
    onHost: ["/usr/lateen-b", "/usr/share/lateen-a", "/lateen-work", "/etc/lateen"].filter((path) => existsSync(path)),
  };
  await pod.close();
  return result;
}

async function exec(world: World): Promise<unknown> {
  const pod = await testPod(world, { name: "exec-pod" });
  const { container } = await testContainer(pod, shell("echo up; sleep 1000"), { env: { COLOR: "blue" }, workingDir: "/tmp" });
  const result = await container.exec({
    argv: shell("hostname; pwd; echo $COLOR; cat; ls /proc | grep -c '^[0-9]'; exit 4"),
    input: Buffer.from("typed\n"),
  });
  const slow = await container.exec({ argv: shell("sleep 1000"), timeoutMs: 100 });
  const capabilities = await container.exec({ argv: shell("grep CapEff /proc/self/status") });
  const application = applicationPid(container.pid) !== undefined;
  await pod.close();
  return { result, slow, capabilities: capabilities.output, application };
}

async function logs(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const logFile = join(world.runDir, "logs", "app.log");
  await runIn(pod, shell("echo first run"), { logFile });
  const run = await testContainer(pod, shell("echo second run; printf unterminated; head -c 40000 /dev/zero | tr '\\0' x >&2"), {
    logFile,
  });
  await run.container.exited;
  await pod.close();
  const long = run.lines.filter((line) => line.stream === "stderr").map((line) => [line.text.length, line.partial]);
  return {
    previous: readFileSync(`${logFile}.previous`, "utf8"),
    current: readFileSync(logFile, "utf8").split("\n")[0],
    last: run.lines.at(-1)?.text.slice(0, 20),
    long,
  };
}

/** Another user than root: no capabilities at all, yet names and output work. */
async function otherUser(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const script = "id -u; id -g; grep CapEff /proc/self/status; head -c6 /etc/resolv.conf; echo; echo ok > /dev/stdout";
  const result = await runIn(pod, shell(script), { runAsUser: 12345 }).catch((error: Error) => error.message);
  await pod.close();
  return result;
}

const markerSchema = z.object({ marker: z.string() });

/** A pod with a sidecar, an application and a daemon, all left running. */
async function leaveRunning(world: World, input: unknown): Promise<unknown> {
  const { marker } = markerSchema.parse(input);
  const pod = await testPod(world, { sidecar: true });
  await startFakeEnvoy(pod);
  const script = `(setsid sh -c 'sleep 1000; : ${marker}' >/dev/null 2>&1 &); echo up; sleep 1000; : ${marker}`;
  const run = await testContainer(pod, shell(script));
  await run.untilText("up");
  return { ns: readlinkSync("/proc/self/ns/net") };
}

export const containerScenarios: Readonly<Record<string, Scenario>> = {
  leaveRunning,
  otherUser,
  nestedVolumes,
  exitCodes,
  stopping,
  daemons,
  limits,
  kernelFiles,
  files,
  exec,
  logs,
};

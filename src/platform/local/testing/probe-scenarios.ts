// Scenarios about probes: HTTP, TCP, exec and gRPC against applications beside a sidecar.

import { fetchScript, runScript, type Scenario, startFakeEnvoy, startHttpServer, testContainer, testPod, type World } from "./pod-kit.ts";

const modulePath = (name: string): string => import.meta.resolve(name).replace("file://", "");

const grpcScript = (module: string): string =>
  [
    `const g=require(${JSON.stringify(module)});const s=new g.Server();const id=b=>b;`,
    "const method={path:'/grpc.health.v1.Health/Check',requestStream:false,responseStream:false,requestSerialize:id,requestDeserialize:id,responseSerialize:id,responseDeserialize:id};",
    "s.addService({Check:method},{Check:(c,cb)=>{const n=c.request.subarray(2).toString();n==='gone'?cb({code:5}):cb(null,Buffer.from([8,n==='sick'?2:1]))}});",
    "s.bindAsync('0.0.0.0:9090',g.ServerCredentials.createInsecure(),()=>console.log('listening'))",
  ].join("");

/** gRPC health: serving, not serving, unknown service. */
async function grpcProbes(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  const run = await testContainer(pod, [process.execPath, "-e", grpcScript(modulePath("@grpc/grpc-js"))]);
  await run.untilText("listening");
  const probe = (service?: string) =>
    pod.probe({ kind: "grpc", port: 9090, ...(service === undefined ? {} : { service }) }, { timeoutMs: 5000 });
  const result = { serving: await probe(), named: await probe("shop"), sick: await probe("sick"), gone: await probe("gone") };
  await pod.close();
  return result;
}

/** A server that accepts and never answers. */
async function slowProbe(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const script = 'require("net").createServer(()=>{}).listen(8080,()=>console.log("listening"))';
  const run = await testContainer(pod, [process.execPath, "-e", script]);
  await run.untilText("listening");
  const results = await Promise.all((["httpGet", "grpc"] as const).map((kind) => pod.probe({ kind, port: 8080 }, { timeoutMs: 150 })));
  await pod.close();
  return results;
}

/** Probes reach the application and not the sidecar, wherever it listens. */
async function probes(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  const { seen } = await startFakeEnvoy(pod);
  await startHttpServer(pod, { name: "all", port: 8080 });
  await startHttpServer(pod, { name: "loopback", port: 8081, host: "127.0.0.1" });
  await startHttpServer(pod, { name: "address", port: 8082, host: pod.ip });
  const app = await testContainer(pod, ["sleep", "1000"]);
  const options = { timeoutMs: 3000 };
  const results = {
    all: await pod.probe({ kind: "httpGet", port: 8080, path: "/healthz" }, options),
    loopback: await pod.probe({ kind: "httpGet", port: 8081 }, options),
    address: await pod.probe({ kind: "tcpSocket", port: 8082 }, options),
    closed: await pod.probe({ kind: "tcpSocket", port: 8083 }, options),
    exec: await pod.probe({ kind: "exec", container: app.container, command: ["true"] }, options),
    execFails: await pod.probe({ kind: "exec", container: app.container, command: ["sh", "-c", "echo bad; exit 1"] }, options),
    notGrpc: (await pod.probe({ kind: "grpc", port: 8080 }, options)).success,
    throughProxy: seen.filter((line) => !line.startsWith("outbound 198.18.0.1")).length,
  };
  await pod.close();
  return results;
}

async function selfFetch(world: World): Promise<unknown> {
  const pod = await testPod(world);
  await startHttpServer(pod, { name: "self", port: 80 });
  const result = [await runScript(pod, fetchScript(`http://${pod.ip}/`)), await runScript(pod, fetchScript("http://127.0.0.1/"))];
  await pod.close();
  return result.map(({ text }) => text);
}

export const probeScenarios: Readonly<Record<string, Scenario>> = { grpcProbes, slowProbe, probes, selfFetch };

// Scenarios about captured traffic: two pods with sidecars, self-calls, ports that are out of reach, exclusions.

import { fetchScript, runScript, type Scenario, startFakeEnvoy, startHttpServer, testPod, type World } from "./pod-kit.ts";

const vip = "198.19.0.10";

async function twoPods(world: World): Promise<unknown> {
  const server = await testPod(world, { sidecar: true });
  const client = await testPod(world, { sidecar: true });
  const serverEnvoy = await startFakeEnvoy(server);
  const clientEnvoy = await startFakeEnvoy(client, { [`${vip}:80`]: `${server.ip}:8080` });
  await startHttpServer(server, { name: "server", port: 8080 });
  await startHttpServer(server, { name: "on-address", port: 8082, host: server.ip });
  const viaVip = await runScript(client, fetchScript(`http://${vip}/`));
  const viaAddress = await runScript(client, fetchScript(`http://${server.ip}:8082/`));
  const privatePorts = await Promise.all([15000, 15001, 15004].map((port) => runScript(client, directConnect(server.ip, port))));
  const result = {
    viaVip: viaVip.text,
    viaAddress: viaAddress.text,
    privatePorts: privatePorts.map(({ text }) => text),
    clientSaw: clientEnvoy.seen,
    serverSaw: serverEnvoy.seen,
    server: server.ip,
  };
  await Promise.all([server.close(), client.close()]);
  return result;
}

const directConnect = (address: string, port: number): string =>
  `const s=require("net").connect(${port},"${address}");s.on("error",e=>console.log(e.code));s.on("close",()=>console.log("closed"));s.setTimeout(3000,()=>{console.log("hangs");s.destroy()})`;

/** A pod that calls itself: by its service's address through the proxy, by its own address and loopback directly. */
async function selfCalls(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  const envoy = await startFakeEnvoy(pod, { [`${vip}:80`]: `${pod.ip}:8080` });
  await startHttpServer(pod, { name: "me", port: 8080 });
  const texts: string[] = [];
  for (const url of [`http://${vip}/`, `http://${pod.ip}:8080/`, "http://127.0.0.1:8080/"])
    texts.push((await runScript(pod, fetchScript(url))).text);
  await pod.close();
  return { texts, saw: envoy.seen, ip: pod.ip };
}

async function exclusions(world: World): Promise<unknown> {
  const server = await testPod(world, { sidecar: true, capture: { excludeInboundPorts: [9000] } });
  const client = await testPod(world, {
    sidecar: true,
    capture: { excludeOutboundPorts: [9000], excludeOutboundIPRanges: [`${server.ip}/32`] },
  });
  const serverEnvoy = await startFakeEnvoy(server);
  const clientEnvoy = await startFakeEnvoy(client);
  await startHttpServer(server, { name: "plain", port: 9000 });
  await startHttpServer(server, { name: "captured", port: 9001 });
  const texts = [
    (await runScript(client, fetchScript(`http://${server.ip}:9000/`))).text,
    (await runScript(client, fetchScript(`http://${server.ip}:9001/`))).text,
  ];
  await Promise.all([server.close(), client.close()]);
  return { texts, clientSaw: clientEnvoy.seen, serverSaw: serverEnvoy.seen, server: server.ip, client: client.ip };
}

/** IPv6: loopback works, all else fails at once. */
async function ipv6(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  await startHttpServer(pod, { name: "six", port: 8080, host: "::1" });
  const loopback = await runScript(pod, fetchScript("http://[::1]:8080/"));
  const outside = await runScript(pod, fetchScript("http://[2001:db8::1]:8080/"));
  await pod.close();
  return { loopback: loopback.text, outside: outside.text };
}

export const captureScenarios: Readonly<Record<string, Scenario>> = { twoPods, selfCalls, exclusions, ipv6 };

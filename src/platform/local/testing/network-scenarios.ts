// Scenarios about names and the way out: DNS from inside a pod, virtual addresses of plain pods, egress.

import { z } from "zod";
import { fetchScript, runScript, type Scenario, startHttpServer, testContainer, testPod, type World } from "./pod-kit.ts";

const lookUp = (name: string, family: number): string =>
  `require("dns").lookup("${name}",{family:${family},all:true},(e,a)=>console.log(e?e.code:a.map(x=>x.address).sort().join(",")))`;

const resolver = (call: string): string =>
  `const {Resolver}=require("dns").promises;const r=new Resolver({timeout:3000,tries:1});${call}.then(a=>console.log(JSON.stringify(a)),e=>console.log(e.code))`;

const manyAddresses = Array.from({ length: 120 }, (_, index) => `198.18.77.${index + 1}`);

/** Look-ups by the C library and by c-ares, UDP and TCP. */
async function dns(world: World): Promise<unknown> {
  await world.fabric.updateNames({
    hosts: [
      { host: "web.shop.svc.cluster.local", addresses: ["198.19.0.20"], ports: [{ name: "http", protocol: "tcp", port: 80 }] },
      { host: "many.shop.svc.cluster.local", addresses: manyAddresses },
      { host: "*.wild.example", addresses: ["240.240.0.7"] },
    ],
    vips: [],
  });
  const pod = await testPod(world, { namespace: "shop" });
  const print = async (script: string): Promise<string> => (await runScript(pod, script)).text;
  const result = {
    short: await print(lookUp("web", 4)),
    namespaced: await print(lookUp("web.shop", 0)),
    full: await print(lookUp("web.shop.svc.cluster.local.", 4)),
    upper: await print(lookUp("WEB.Shop", 4)),
    six: await print(resolver('r.resolve6("web.shop.svc.cluster.local")')),
    unknown: await print(lookUp("nothing.shop", 4)),
    wildcard: await print(lookUp("a.b.wild.example", 4)),
    many: await print(resolver('r.resolve4("many.shop.svc.cluster.local").then(a=>a.length)')),
    srv: await print(resolver('r.resolveSrv("_http._tcp.web.shop.svc.cluster.local")')),
    ptr: await print(resolver('r.reverse("198.19.0.20")')),
    forwarded: await print(lookUp("outside.example", 4)),
  };
  await pod.close();
  return result;
}

/** A plain pod balances a virtual address itself, follows updates, and is refused where nothing stands behind. */
async function vips(world: World): Promise<unknown> {
  const servers = [await testPod(world), await testPod(world)];
  for (const [index, server] of servers.entries()) await startHttpServer(server, { name: `s${index}`, port: 8080 });
  const client = await testPod(world);
  const vip = "198.19.0.30";
  const endpoints = servers.map(({ ip }) => ({ address: ip, port: 8080 }));
  const update = (chosen: typeof endpoints): Promise<void> =>
    world.fabric.updateNames({ hosts: [], vips: [{ vip, port: 80, protocol: "tcp", endpoints: chosen }] });
  const many = `let n=0;const seen={};const go=()=>{if(n++===24)return console.log(Object.keys(seen).sort().join(","));require("http").get("http://${vip}/",{agent:false},r=>{let b="";r.on("data",c=>b+=c);r.on("end",()=>{seen[b.slice(0,2)]=1;go()})}).on("error",e=>{seen[e.code]=1;go()})};go()`;
  await update(endpoints);
  const both = (await runScript(client, many)).text;
  await update(endpoints.slice(1));
  const one = (await runScript(client, many)).text;
  await update([]);
  const none = (await runScript(client, fetchScript(`http://${vip}/`))).text;
  const otherPort = (await runScript(client, fetchScript(`http://${vip}:81/`))).text;
  await Promise.all([...servers, client].map((pod) => pod.close()));
  return { both, one, none, otherPort };
}

const urlsSchema = z.object({ urls: z.array(z.string()) });

/** Fetches URLs of the outside world from a plain pod. */
async function fetchOutside(world: World, input: unknown): Promise<unknown> {
  const pod = await testPod(world);
  const texts: string[] = [];
  for (const url of urlsSchema.parse(input).urls) texts.push((await runScript(pod, fetchScript(url))).text);
  await pod.close();
  return texts;
}

const udpScript = `const s=require("dgram").createSocket("udp4");s.on("error",e=>{console.log(e.code);process.exit()});s.connect(9999,"203.0.113.9",()=>{s.send("x");setTimeout(()=>s.send("y"),100)});setTimeout(()=>{console.log("silent");process.exit()},3000)`;

async function udpOutside(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const { text } = await runScript(pod, udpScript);
  await pod.close();
  return text;
}

/** A server for forwarded host ports; it stays until the node process ends. */
async function startForwardTarget(world: World): Promise<unknown> {
  const pod = await testPod(world);
  await startHttpServer(pod, { name: "forwarded", port: 8080 });
  return { target: `${pod.ip}:8080` };
}

/** Answers with what it got, but only after the client has closed its half. */
async function startHalfCloseTarget(world: World): Promise<unknown> {
  const pod = await testPod(world);
  const script = `require("net").createServer({allowHalfOpen:true},s=>{let b="";s.on("data",c=>b+=c);s.on("end",()=>s.end("got "+b))}).listen(8080,()=>console.log("listening"))`;
  const run = await testContainer(pod, [process.execPath, "-e", script]);
  await run.untilText("listening");
  return { target: `${pod.ip}:8080` };
}

export const networkScenarios: Readonly<Record<string, Scenario>> = {
  dns,
  vips,
  fetchOutside,
  startHalfCloseTarget,
  udpOutside,
  startForwardTarget,
};

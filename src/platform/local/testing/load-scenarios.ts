// Scenarios with many pods, connections or queries at once; they return what was measured.

import { z } from "zod";
import { runScript, type Scenario, startFakeEnvoy, testContainer, testPod, type World } from "./pod-kit.ts";

const countSchema = z.object({ count: z.number().int().positive(), sidecar: z.boolean().optional() });

/** Makes and closes pods: one after the other, then all at once. */
async function manyPods(world: World, input: unknown): Promise<unknown> {
  const { count, sidecar = true } = countSchema.parse(input);
  const single: number[] = [];
  for (let index = 0; index < Math.min(count, 20); index += 1) {
    const start = performance.now();
    const pod = await testPod(world, { sidecar });
    single.push(performance.now() - start);
    await pod.close();
  }
  const start = performance.now();
  const pods = await Promise.all(Array.from({ length: count }, () => testPod(world, { sidecar })));
  const created = performance.now();
  const containers = await Promise.all(pods.map((pod) => testContainer(pod, ["sh", "-c", "echo up; sleep 1000"])));
  await Promise.all(containers.map((run) => run.untilText("up")));
  const running = performance.now();
  const rssBytes = process.memoryUsage().rss;
  await Promise.all(pods.map((pod) => pod.close()));
  const closed = performance.now();
  single.sort((a, b) => a - b);
  const perPod = (from: number, to: number): number => Math.round(((to - from) / count) * 100) / 100;
  return {
    pods: count,
    oneByOneMedianMs: Math.round((single[Math.floor(single.length / 2)] ?? 0) * 10) / 10,
    createMsPerPod: perPod(start, created),
    startContainerMsPerPod: perPod(created, running),
    closeMsPerPod: perPod(running, closed),
    rssMb: Math.round(rssBytes / 1e6),
  };
}

const burstSchema = z.object({ url: z.string(), count: z.number().int().positive(), parallel: z.number().int().positive() });

const burstScript = (url: string, count: number, parallel: number): string =>
  `const h=require("http");let started=0,done=0;const seen={};const t=Date.now();const go=()=>{if(started>=${count})return;started++;h.get(${JSON.stringify(url)},{agent:false},r=>{r.resume();r.on("end",()=>end(r.statusCode))}).on("error",e=>end(e.code))};const end=k=>{seen[k]=(seen[k]||0)+1;if(++done===${count})console.log(JSON.stringify({seen,ms:Date.now()-t}));else go()};for(let i=0;i<${parallel};i++)go()`;

/** Many fresh connections from one plain pod. */
async function burst(world: World, input: unknown): Promise<unknown> {
  const { url, count, parallel } = burstSchema.parse(input);
  const pod = await testPod(world);
  const { text } = await runScript(pod, burstScript(url, count, parallel));
  await pod.close();
  return z.unknown().parse(JSON.parse(text));
}

/** Many UDP look-ups at once from one pod. */
async function dnsBurst(world: World, input: unknown): Promise<unknown> {
  const { count } = countSchema.parse(input);
  await world.fabric.updateNames({ hosts: [{ host: "web.shop.svc.cluster.local", addresses: ["198.19.0.20"] }], vips: [] });
  const pod = await testPod(world, { namespace: "shop" });
  const script = `const {Resolver}=require("dns").promises;const r=new Resolver({timeout:2000,tries:1});const t=Date.now();Promise.allSettled(Array.from({length:${count}},()=>r.resolve4("web.shop.svc.cluster.local"))).then(a=>console.log(JSON.stringify({ok:a.filter(x=>x.status==="fulfilled").length,ms:Date.now()-t})))`;
  const { text } = await runScript(pod, script);
  await pod.close();
  return z.unknown().parse(JSON.parse(text));
}

/** Pods closed while they start, and closed twice. */
async function closeWhileStarting(world: World): Promise<unknown> {
  const pods = await Promise.all(Array.from({ length: 8 }, () => testPod(world, { sidecar: true })));
  const starts = pods.map((pod) =>
    startFakeEnvoy(pod).then(
      () => "ready",
      (error: Error) => error.message.split("\n")[0],
    ),
  );
  await Promise.all(pods.map(async (pod) => Promise.all([pod.close(), pod.close()])));
  return {
    results: [...new Set(await Promise.all(starts))].length > 0,
    afterwards: await pods[0]?.probe({ kind: "tcpSocket", port: 1 }, { timeoutMs: 100 }),
  };
}

export const loadScenarios: Readonly<Record<string, Scenario>> = { manyPods, burst, dnsBurst, closeWhileStarting };

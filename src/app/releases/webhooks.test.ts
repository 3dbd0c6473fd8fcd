// Webhooks over real HTTP: who gets what, in order, again while the other side is away; never to private addresses nor after a redirect.

import { createServer, type ServerResponse } from "node:http";
import { afterEach, expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import { listenOnLoopback } from "../../../test/harness/loopback.ts";
import { type Release, releaseSchema } from "../../api/release/release.ts";
import { nothingAllowed } from "../../api/security/fetch-allowance.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/log.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { loopback } from "./call-address.ts";
import { type WebhookBody, Webhooks } from "./webhooks.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

type Answer = (response: ServerResponse, count: number) => void;

/** A server that keeps what it was sent. */
async function receiver(answer: Answer = (response) => void response.writeHead(204).end()) {
  const bodies: WebhookBody[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    request.on("end", () => {
      bodies.push(JSON.parse(text) as WebhookBody);
      answer(response, bodies.length);
    });
  });
  closing.push(() => server.close());
  closing.push(() => server.closeAllConnections());
  return { bodies, url: `http://127.0.0.1:${await listenOnLoopback(server)}/hook` };
}

function world(webhooks: readonly { readonly url: string; readonly reasons?: readonly string[] }[], isOpen = true) {
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });
  const raw = {
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name: "catalog", namespace: "shop" },
    spec: { service: "catalog", webhooks },
  };
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  store.create(raw);
  store.updateStatus({ ...raw, status: { phase: "Progressing", stable: "v1", candidate: "v2", weightPercent: 10, run: "catalog-1" } });
  const results: string[] = [];
  const hooks = new Webhooks({
    store,
    logger: silentLogger,
    nowMs: () => Date.UTC(2030, 0, 1),
    allowance: () => (isOpen ? loopback : nothingAllowed),
    onResult: (result) => void results.push(result),
    retryMs: [10, 10, 10],
  });
  closing.push(() => hooks.close());
  const release: Release = releaseSchema.parse({ ...raw, metadata: { ...raw.metadata, uid: "u" } });
  const tell = (reason: string, number = 1) =>
    hooks.tell(release, { type: "event", id: `catalog-1/${number}`, reason, message: `it is ${reason}` });
  return { tell, results };
}

test("a JSON body for each transition that is wanted, in order", async () => {
  const all = await receiver();
  const some = await receiver();
  const { tell, results } = world([{ url: all.url }, { url: some.url, reasons: ["Promoted"] }]);
  for (const [index, reason] of ["Started", "Promoted", "Succeeded"].entries()) tell(reason, index + 1);
  await eventually(() => results.length === 4, 30_000, "four deliveries");
  expect(results).toEqual(["sent", "sent", "sent", "sent"]);
  expect(all.bodies.map(({ reason }) => reason)).toEqual(["Started", "Promoted", "Succeeded"]);
  expect(some.bodies).toEqual([
    {
      id: "u/catalog-1/2",
      time: "2030-01-01T00:00:00.000Z",
      namespace: "shop",
      release: "catalog",
      service: "catalog",
      run: "catalog-1",
      reason: "Promoted",
      message: "it is Promoted",
      phase: "Progressing",
      stable: "v1",
      candidate: "v2",
      weightPercent: 10,
    },
  ]);
});

test("a server in trouble is tried again, and what comes after waits its turn", async () => {
  const { url, bodies } = await receiver((response, count) => void response.writeHead(count < 3 ? 503 : 200).end());
  const { tell, results } = world([{ url }]);
  tell("Started");
  tell("Promoted", 2);
  await eventually(() => results.length === 2, 30_000, "two deliveries");
  expect(bodies.map(({ reason }) => reason)).toEqual(["Started", "Started", "Started", "Promoted"]);
  expect(results).toEqual(["sent", "sent"]);
});

test("refusals and redirects aren't tried again, and nobody is followed", async () => {
  const target = await receiver();
  const moved = await receiver((response) => void response.writeHead(307, { location: target.url }).end());
  const refusing = await receiver((response) => void response.writeHead(410).end());
  const { tell, results } = world([{ url: moved.url }, { url: refusing.url }]);
  tell("Started");
  await eventually(() => results.length === 2, 30_000, "two failures");
  expect([results, moved.bodies.length, refusing.bodies.length, target.bodies.length]).toEqual([["failed", "failed"], 1, 1, 0]);
});

test("private addresses aren't called unless they are allowed", async () => {
  const { url, bodies } = await receiver();
  const { tell, results } = world([{ url }, { url: "http://10.0.0.1/hook" }], false);
  tell("Started");
  await eventually(() => results.length === 2, 30_000, "two failures");
  expect([results, bodies.length]).toEqual([["failed", "failed"], 0]);
});

test("a server that never answers costs a bounded queue", async () => {
  const { url } = await receiver(() => {});
  const { tell, results } = world([{ url }]);
  for (let number = 0; number < 150; number += 1) tell("Suspicion", number);
  expect(results.filter((result) => result === "dropped").length).toBe(50);
});

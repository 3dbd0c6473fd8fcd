// Metrics of Prometheus and webhooks over real HTTP: differences become counts of the newest sample; whoever is down or talks nonsense says nothing.

import { createServer } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { listenOnLoopback } from "../../../test/harness/loopback.ts";
import { type Release, releaseSchema } from "../../api/release/release.ts";
import type { ArmSecond } from "../../release/observation.ts";
import { loopback } from "./call-address.ts";
import { newCounts, prometheusSums, webhookCounts } from "./metric-answers.ts";
import { MetricProviders } from "./metric-providers.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

class Provider {
  asked = 0;
  queries: URLSearchParams[] = [];
  bodies: string[] = [];
  answer: (query: string) => unknown = () => ({});
  status = 200;
  url = "";

  async listen(): Promise<this> {
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => {
        text += chunk;
      });
      request.on("end", () => {
        const { searchParams } = new URL(request.url ?? "", "http://a");
        this.queries.push(searchParams);
        this.bodies.push(text);
        this.asked += 1;
        const answer = this.answer(searchParams.get("query") ?? "");
        response.writeHead(this.status).end(typeof answer === "string" ? answer : JSON.stringify(answer));
      });
    });
    closing.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    this.url = `http://127.0.0.1:${await listenOnLoopback(server)}`;
    return this;
  }
}

function releaseWith(metric: object): Release {
  return releaseSchema.parse({
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name: "catalog", namespace: "shop" },
    spec: { service: "catalog", analysis: { metrics: [{ name: "sold", ...metric }] } },
  });
}

class Run {
  now = 1_000_000;
  readonly release: Release;
  readonly providers: MetricProviders;

  constructor(metric: object) {
    this.release = releaseWith(metric);
    this.providers = new MetricProviders({ allowance: () => loopback, nowMs: () => this.now });
    closing.push(() => this.providers.close());
  }

  /** Two seconds later: what the newest sample then has. */
  async next(provider: Provider, questions = 1): Promise<Readonly<Record<string, ArmSecond>>> {
    this.now += 2000;
    const before = provider.asked;
    this.providers.withMetrics(this.release, "catalog-1", []);
    await this.providers.settled();
    expect(provider.asked).toBe(before + questions);
    const newest = { second: this.now / 1000, arms: { v1: { requests: 9, errors: 0 } } };
    return this.providers.withMetrics(this.release, "catalog-1", [newest])[0]?.arms ?? {};
  }

  get problems(): Readonly<Record<string, string>> {
    return this.providers.problemsOf(this.release);
  }
}

const counts = (v1: readonly number[], v2: readonly number[]) => ({
  v1: { trials: v1[0], events: v1[1] },
  v2: { trials: v2[0], events: v2[1] },
});

describe("a webhook", () => {
  test("what came on top since the answer before is judged, once", async () => {
    const provider = await new Provider().listen();
    const run = new Run({ provider: "webhook", query: provider.url });
    provider.answer = () => counts([1000, 10], [50, 1]);
    expect(await run.next(provider)).toEqual({ v1: { requests: 9, errors: 0 } });
    provider.answer = () => counts([1100, 12], [60, 4]);
    expect(await run.next(provider)).toEqual({
      v1: { requests: 9, errors: 0, metrics: { sold: { trials: 100, events: 2 } } },
      v2: { requests: 0, errors: 0, metrics: { sold: { trials: 10, events: 3 } } },
    });
    expect(await run.next(provider)).toEqual({ v1: { requests: 9, errors: 0 } });
    expect(JSON.parse(provider.bodies[0] ?? "")).toEqual({ namespace: "shop", release: "catalog", service: "catalog", metric: "sold" });
  });

  test("down is a problem after a while, counts nothing of that time, and is over by itself", async () => {
    const provider = await new Provider().listen();
    const run = new Run({ provider: "webhook", query: provider.url });
    provider.answer = () => counts([1000, 10], [50, 1]);
    await run.next(provider);
    provider.status = 500;
    await run.next(provider);
    expect(run.problems).toEqual({});
    for (let turn = 0; turn < 2; turn += 1) await run.next(provider);
    expect(run.problems).toEqual({ sold: "it answered 500" });
    provider.status = 200;
    provider.answer = () => counts([5000, 4000], [900, 800]);
    expect(await run.next(provider)).toEqual({ v1: { requests: 9, errors: 0 } });
    expect(run.problems).toEqual({});
    provider.answer = () => counts([5010, 4000], [901, 800]);
    expect((await run.next(provider))["v1"]?.metrics).toEqual({ sold: { trials: 10, events: 0 } });
  });

  test.each([
    "nonsense",
    "[]",
    '{"v1": {"trials": 1, "events": 2}}',
    '{"v1": {"trials": -1, "events": -2}}',
    '{"v1": 3}',
    '{"v1": {"trials": "1", "events": 0}}',
  ])("%s is no answer", (text) => {
    expect(webhookCounts(text)).toHaveProperty("problem");
  });
});

const vector = (samples: readonly (readonly [version: string, value: string])[], label = "version") => ({
  status: "success",
  data: { resultType: "vector", result: samples.map(([version, value]) => ({ metric: { [label]: version }, value: [1, value] })) },
});

describe("Prometheus", () => {
  test("two counters at one instant, by the version label", async () => {
    const provider = await new Provider().listen();
    const run = new Run({ provider: "prometheus", address: provider.url, query: "bad", total: "all" });
    const samples = {
      bad: [["v1", "3"]],
      all: [
        ["v1", "100"],
        ["v2", "10"],
      ],
    } as Record<string, [string, string][]>;
    provider.answer = (query) => vector(samples[query] ?? []);
    await run.next(provider, 2);
    samples["bad"] = [
      ["v1", "4"],
      ["v2", "5"],
    ];
    samples["all"] = [
      ["v1", "150"],
      ["v2", "30"],
    ];
    const arms = await run.next(provider, 2);
    expect([arms["v1"]?.metrics, arms["v2"]?.metrics]).toEqual([{ sold: { trials: 50, events: 1 } }, { sold: { trials: 20, events: 5 } }]);
    expect(new Set(provider.queries.slice(0, 2).map((query) => query.get("time"))).size).toBe(1);
  });

  test("series without the label, other kinds of answers and values that are no counts are nonsense", () => {
    const labels = ["version"];
    expect(prometheusSums(JSON.stringify(vector([["v1", "1"]], "pod")), labels)).toEqual({ problem: "a series has no label version" });
    expect(prometheusSums(JSON.stringify(vector([["v1", "NaN"]])), labels)).toEqual({ problem: "a series has the value NaN" });
    expect(prometheusSums('{"status":"error","error":"bad"}', labels)).toEqual({ problem: "it answered no instant vector" });
    expect(
      prometheusSums(
        JSON.stringify(
          vector([
            ["v1", "1"],
            ["v1", "2"],
          ]),
        ),
        labels,
      ),
    ).toEqual({ sums: new Map([["v1", 3]]) });
  });
});

test("counters that begin anew count nothing until the next answer", () => {
  const before = new Map([["v1", { trials: 100, events: 5 }]]);
  expect(newCounts(before, new Map([["v1", { trials: 3, events: 0 }]]))).toEqual(new Map());
  expect(newCounts(before, new Map([["v1", { trials: 101, events: 9 }]]))).toEqual(new Map());
  expect(newCounts(before, new Map([["v2", { trials: 9, events: 9 }]]))).toEqual(new Map());
});

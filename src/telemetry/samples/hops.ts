// Samples of a window → who calls a service without saying whose request it is, although it was told: hops that drop `baggage`. Pure.

import { toldRequestsTotal, triesTotal, untoldTriesTotal } from "../proxy-reports.ts";
import type { SampleStore } from "./sample-store.ts";
import { windowOf } from "./window.ts";

/** One workload that calls one service, while a release judges. */
export interface Hop {
  /** Full host of the service. */
  readonly host: string;
  /** "shop/web": namespace and workload of the caller. */
  readonly caller: string;
  /** Tries that it sent there, and those of them whose `baggage` doesn't name the user. */
  readonly tries: number;
  readonly untold: number;
  /** Requests that it got itself from whomever, and those of them whose `baggage` names the user. */
  readonly requests: number;
  readonly told: number;
}

export interface HopQuery {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Every caller that counts its tries, sorted by host and name. Gateways get no requests of the mesh, so theirs are 0. */
export function hopsOf(store: SampleStore, query: HopQuery): readonly Hop[] {
  const sent = (name: string) => sums(store, { name, by: [host, ...caller], match: { reporter: "source" }, ...query });
  const got = (name: string) => sums(store, { name, by: server, match: { reporter: "destination" }, ...query });
  const [untold, requests, told] = [sent(untoldTriesTotal), got("istio_requests_total"), got(toldRequestsTotal)];
  return [...sent(triesTotal)].map(([key, tries]) => {
    const [service = "", namespace = "", workload = ""] = key.split("\n");
    const own = `${namespace}\n${workload}`;
    return {
      host: service,
      caller: `${namespace}/${workload}`,
      tries,
      untold: untold.get(key) ?? 0,
      requests: requests.get(own) ?? 0,
      told: told.get(own) ?? 0,
    };
  });
}

const host = "destination_service";
const caller = ["source_workload_namespace", "source_workload"];
const server = ["destination_workload_namespace", "destination_workload"];

type WindowQuery = Parameters<typeof windowOf>[1] & { readonly by: readonly string[] };

/** By the labels' values, which have no line breaks. */
function sums(store: SampleStore, query: WindowQuery): ReadonlyMap<string, number> {
  return new Map(windowOf(store, query).map(({ group, sum }) => [query.by.map((label) => group[label]).join("\n"), sum]));
}

// The HTTP filters of a proxy in the order requests pass them; one table, a reason per row.

import { CorsSchema } from "#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { HTTPFaultSchema } from "#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { FilterConfigSchema as GrpcStatsSchema } from "#envoy/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js";
import { GrpcWebSchema } from "#envoy/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "../../envoy/any.ts";
import type { PortProtocol } from "../../model/mesh.ts";
import { cohortFilter } from "./cohort-filter.ts";
import { messageCountsFilter } from "./grpc-messages.ts";
import { jwtFilter } from "./jwt-filter.ts";
import { believesMarks, withoutMirrorBaggage } from "./mirror-mark.ts";
import { rbacHttpFilters } from "./rbac-filters.ts";
import { callerRouter, serverRouter } from "./router.ts";

export interface FilterPlace {
  readonly direction: "inbound" | "outbound" | "gateway";
  /** Declared protocol of the port; undefined for a port that several services share. */
  readonly protocol?: PortProtocol;
  /** Inbound only: whether the client has shown a certificate. */
  readonly isMutual?: boolean;
}

interface FilterRow {
  readonly filter: HttpFilterJson;
  readonly reason: string;
  readonly applies: (place: FilterPlace) => boolean;
}

const checksTokens = ({ direction }: FilterPlace): boolean => direction !== "outbound";
/** Where requests of others come in. */
const servesStrangers = ({ direction }: FilterPlace): boolean => direction !== "outbound";
const routesRequests = ({ direction }: FilterPlace): boolean => direction !== "inbound";

const table: readonly FilterRow[] = [
  {
    filter: withoutMirrorBaggage,
    reason: "Before anything that reads a request: strangers don't say whose copy it is.",
    applies: (place) => !believesMarks(place),
  },
  {
    filter: { name: "envoy.filters.http.grpc_web", typedConfig: any(GrpcWebSchema, {}) },
    reason: "First: everything behind it sees ordinary gRPC.",
    applies: ({ protocol }) => protocol === "grpc-web",
  },
  {
    filter: {
      name: messageCountsFilter,
      typedConfig: any(GrpcStatsSchema, { emitFilterState: true, statsForAllMethods: false }),
    },
    reason:
      "Before fault: an aborted call has a gRPC status too. Calls of services that speak HTTP/1.1 have no messages; at clients their hosts say so.",
    applies: ({ direction, protocol }) => direction !== "inbound" || protocol !== "http",
  },
  {
    filter: jwtFilter(),
    reason: "Before every policy and route that asks for claims, and before fault: a bad token is refused, not delayed.",
    applies: checksTokens,
  },
  ...rbacHttpFilters().map((filter) => ({
    filter,
    reason: "Before anything that answers or acts on a request; after JWT, whose claims it reads. What it enforces is said per route.",
    applies: servesStrangers,
  })),
  {
    filter: cohortFilter(),
    reason: "After JWT, whose claims may tell users apart; before everything that acts by the route, which it chooses again.",
    applies: ({ direction }) => direction === "gateway",
  },
  {
    filter: { name: "envoy.filters.http.fault", typedConfig: any(HTTPFaultSchema, {}) },
    reason: "Before cors, as in Istio: injected faults hit preflights as well. What it injects is said per route.",
    applies: routesRequests,
  },
  {
    filter: { name: "envoy.filters.http.cors", typedConfig: any(CorsSchema, {}) },
    reason: "Answers preflights itself, so after everything that may refuse a request. Policies are per route.",
    applies: routesRequests,
  },
  {
    filter: serverRouter,
    reason: "Last: it ends the chain.",
    applies: ({ direction }) => direction === "inbound",
  },
  {
    filter: callerRouter,
    reason: "Last as well: where a release needs it, it also counts tries, which only callers make.",
    applies: routesRequests,
  },
];

/** The filters of one HTTP connection manager. */
export function httpFilters(place: FilterPlace): HttpFilterJson[] {
  return table.filter(({ applies }) => applies(place)).map(({ filter }) => filter);
}

// Names that another server of a gateway's port has → the virtual host that answers 421 (RFC 9110 §15.5.20).

import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { misdirectedVirtualHostName } from "../../envoy/names.ts";
import type { RouteTable } from "../../model/routes.ts";
import { anyRequest } from "./match.ts";

/** Misdirected Request: the client may try again over another connection, and browsers do. */
const status = 421;

/** The virtual host of a table's misdirected names; undefined when there are none. */
export function misdirectedVirtualHost({ misdirected = [] }: RouteTable): VirtualHostJson | undefined {
  if (misdirected.length === 0) return undefined;
  const name = misdirectedVirtualHostName;
  return { name, domains: [...misdirected], routes: [{ name, match: anyRequest, directResponse: { status } }] };
}

// `redirect` of an http route → Envoy's RedirectAction.

import type { RedirectAction_RedirectResponseCodeJson, RedirectActionJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HttpRedirect } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";

const responseCodes: ReadonlyMap<number, RedirectAction_RedirectResponseCodeJson> = new Map([
  [301, "MOVED_PERMANENTLY"],
  [302, "FOUND"],
  [303, "SEE_OTHER"],
  [307, "TEMPORARY_REDIRECT"],
  [308, "PERMANENT_REDIRECT"],
]);

/**
 * Where the client is sent; what is unset stays as in its request. Envoy drops the request's port when scheme or host change
 * (derivePort FROM_PROTOCOL_DEFAULT); FROM_REQUEST_PORT names the listener's port, because Envoy can't take it from the request.
 * A redirectCode Envoy doesn't know is refused by the checks; here it becomes 301 (HTTPRedirect.redirect_code's default).
 */
export function redirectAction(redirect: HttpRedirect, listenerPort: number): RedirectActionJson {
  return defined<RedirectActionJson>({
    hostRedirect: redirect.authority || undefined,
    pathRedirect: redirect.uri || undefined,
    // Replaces what the match's prefix matched; Envoy takes one of the two.
    prefixRewrite: redirect.uri ? undefined : redirect.prefixRewrite,
    schemeRedirect: redirect.scheme || undefined,
    portRedirect: portRedirect(redirect, listenerPort),
    responseCode: responseCodes.get(redirect.redirectCode) ?? "MOVED_PERMANENTLY",
  });
}

/** A scheme's own port is never written out. */
function portRedirect(redirect: HttpRedirect, listenerPort: number): number | undefined {
  const port = redirect.derivePort === "FROM_REQUEST_PORT" ? listenerPort : redirect.port;
  const schemePort = redirect.scheme === "https" ? 443 : 80;
  return port === schemePort ? undefined : port;
}

// `directResponse` of an http route → Envoy's DirectResponseAction.

import type { DataSourceJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { DirectResponseActionJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HttpDirectResponse } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";

/** Largest body of a direct response in bytes; Istio's limit, Envoy's own default is 4,096. */
export const maxDirectResponseBodyBytes = 1024 * 1024;

/** The answer Envoy gives itself. */
export function directResponse(response: HttpDirectResponse): DirectResponseActionJson {
  return defined<DirectResponseActionJson>({ status: response.status, body: bodyOf(response) });
}

/** `bytes` is base64 in YAML as in proto3 JSON. */
function bodyOf({ body }: HttpDirectResponse): DataSourceJson | undefined {
  if (body?.string !== undefined) return { inlineString: body.string };
  return body?.bytes === undefined ? undefined : { inlineBytes: body.bytes };
}

// What Envoy itself refuses in an http route although it is well-formed: Envoy would refuse the whole table of routes for it.
// Found by trying each on Envoy 1.40; translate/route/accepted.test.ts keeps the two in step.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkPattern } from "./common-checks.ts";
import type { HttpRoute } from "./virtual-service.ts";

/** Bytes of a header name or value (core.v3.HeaderValue). */
const maxHeaderBytes = 16_384;
/** Bytes of a query parameter's name (route.v3.QueryParameterMatcher). */
const maxParameterBytes = 1024;
/** Bytes of a direct response's body: RouteConfiguration.max_direct_response_body_size_bytes as we set it, Istio's value. */
const maxBodyBytes = 1024 * 1024;

/** All such findings of one route. */
export function checkEnvoyLimits(route: HttpRoute, path: FieldPath): readonly Finding[] {
  return [
    ...checkLines(route, path),
    ...checkHeaderSizes(route, path),
    ...checkParameters(route, path),
    ...checkBody(route, [...path, "directResponse", "body"]),
    ...(route.corsPolicy?.allowOrigins ?? []).flatMap((origin, index) =>
      "regex" in origin ? checkPattern(origin.regex, [...path, "corsPolicy", "allowOrigins", index, "regex"]) : [],
    ),
  ];
}

/** Paths and hosts that Envoy writes into headers. */
function checkLines({ rewrite, redirect }: HttpRoute, path: FieldPath): readonly Finding[] {
  const texts: readonly (readonly [FieldPath, string | undefined])[] = [
    [["rewrite", "uri"], rewrite?.uri],
    [["rewrite", "authority"], rewrite?.authority],
    [["rewrite", "uriRegexRewrite", "rewrite"], rewrite?.uriRegexRewrite?.rewrite],
    [["redirect", "uri"], redirect?.uri],
    [["redirect", "prefixRewrite"], redirect?.prefixRewrite],
    [["redirect", "authority"], redirect?.authority],
    [["redirect", "scheme"], redirect?.scheme],
  ];
  return texts.flatMap(([field, text]) => {
    const at = [...path, ...field];
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a header
    if (text === undefined || !/[\u0000\r\n]/.test(text)) return [];
    return [{ code: "LTN0213" as const, path: at, message: `\`${printPath(at)}\` contains a line break`, fix: "Write it on one line." }];
  });
}

function checkHeaderSizes(route: HttpRoute, path: FieldPath): readonly Finding[] {
  const blocks = [
    { headers: route.headers, at: [...path, "headers"] },
    ...route.route.map(({ headers }, index) => ({ headers, at: [...path, "route", index, "headers"] })),
  ];
  return blocks.flatMap(({ headers, at }) =>
    (["request", "response"] as const).flatMap((side) =>
      (["set", "add"] as const).flatMap((verb) =>
        Object.entries(headers?.[side]?.[verb] ?? {}).flatMap(([name, value]) =>
          byteLength(name) > maxHeaderBytes || byteLength(value) > maxHeaderBytes
            ? [tooLong([...at, side, verb, name.slice(0, 80)], maxHeaderBytes)]
            : [],
        ),
      ),
    ),
  );
}

function checkParameters({ match }: HttpRoute, path: FieldPath): readonly Finding[] {
  return match.flatMap(({ queryParams }, index) =>
    Object.keys(queryParams).flatMap((name): readonly Finding[] => {
      const at = [...path, "match", index, "queryParams", name.slice(0, 80)];
      if (name === "") return [{ code: "LTN0213", path: at, message: `\`${printPath(at)}\` has no name`, fix: "Name the parameter." }];
      return byteLength(name) > maxParameterBytes ? [tooLong(at, maxParameterBytes)] : [];
    }),
  );
}

function checkBody({ directResponse }: HttpRoute, path: FieldPath): readonly Finding[] {
  const { string = "", bytes = "" } = directResponse?.body ?? {};
  const isBase64 = /^[A-Za-z0-9+/_-]*={0,2}$/.test(bytes) && bytes.replace(/=+$/, "").length % 4 !== 1;
  if (!isBase64) {
    const at = [...path, "bytes"];
    return [{ code: "LTN0103", path: at, message: `\`${printPath(at)}\` is not base64`, fix: "Encode it with base64, or use string." }];
  }
  return byteLength(string) > maxBodyBytes || (bytes.length * 3) / 4 > maxBodyBytes ? [tooLong(path, maxBodyBytes)] : [];
}

function tooLong(path: FieldPath, bytes: number): Finding {
  return {
    code: "LTN0213",
    path,
    message: `\`${printPath(path)}\` is longer than the ${bytes} bytes that Envoy accepts`,
    fix: "Shorten it.",
  };
}

const encoder = new TextEncoder();

function byteLength(text: string): number {
  return encoder.encode(text).length;
}

// Checks of one http route of a VirtualService: its action, retries, faults, rewrites, mirrors and header operations.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isHeaderName } from "../names.ts";
import { checkAtLeastOneMs, checkPattern, checkPercent, checkWeights } from "./common-checks.ts";
import { checkEnvoyLimits } from "./envoy-limits.ts";
import { checkFaultShares } from "./fault-share-checks.ts";
import { checkHeaderFormat } from "./header-format.ts";
import { checkHttpMatch } from "./http-match-checks.ts";
import type { HeaderOperations, Headers, HttpRetry, HttpRoute } from "./virtual-service.ts";

/** Everything of one route but its destinations' hosts. */
export function checkHttpRoute(route: HttpRoute, path: FieldPath): readonly Finding[] {
  return [
    ...route.match.flatMap((match, index) => checkHttpMatch(match, [...path, "match", index])),
    ...checkAction(route, path),
    ...checkWeights(
      route.route.map(({ weight }) => weight),
      [...path, "route"],
    ),
    ...route.route.flatMap(({ headers }, index) => checkHeaders(headers, [...path, "route", index, "headers"])),
    ...checkHeaders(route.headers, [...path, "headers"]),
    ...checkAtLeastOneMs(route.timeout, [...path, "timeout"]),
    ...checkRetries(route.retries, [...path, "retries"]),
    ...checkFault(route, [...path, "fault"]),
    ...checkRewrite(route, [...path, "rewrite"]),
    ...checkRedirect(route, [...path, "redirect"]),
    ...checkDirectResponse(route, [...path, "directResponse"]),
    ...checkMirrors(route, path),
    ...checkEnvoyLimits(route, path),
    ...checkFaultShares(route, [...path, "fault"]),
  ];
}

function checkAction(route: HttpRoute, path: FieldPath): readonly Finding[] {
  const given = [
    ...(route.route.length > 0 ? ["route"] : []),
    ...(route.redirect === undefined ? [] : ["redirect"]),
    ...(route.directResponse === undefined ? [] : ["directResponse"]),
    ...(route.delegate === undefined ? [] : ["delegate"]),
  ];
  const name = printPath(path);
  if (given.length === 0) {
    return [
      {
        code: "LTN0205",
        path,
        message: `\`${name}\` says nothing to do with the request`,
        fix: "Add one of route, redirect, directResponse.",
      },
    ];
  }
  if (given.length > 1) {
    return [{ code: "LTN0205", path, message: `\`${name}\` has ${given.join(" and ")}`, fix: "Keep one of them." }];
  }
  if (given[0] === "route") return [];
  const useless = (["rewrite", "fault", "retries", "timeout"] as const).filter((field) => route[field] !== undefined);
  const wrong = useless.filter((field) => field === "rewrite" || (field === "fault" && given[0] !== "delegate"));
  return wrong.map((field) => ({
    code: "LTN0205" as const,
    path: [...path, field],
    message: `\`${name}.${field}\` has no meaning beside ${given[0]}`,
    fix: `Remove ${field}, or use route.`,
  }));
}

/** Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on (HTTPRetry.retry_on). */
const retryConditions: ReadonlySet<string> = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

function checkRetries(retries: HttpRetry | undefined, path: FieldPath): readonly Finding[] {
  if (retries === undefined) return [];
  return [
    ...checkAttempts(retries, path),
    ...checkAtLeastOneMs(retries.perTryTimeout, [...path, "perTryTimeout"]),
    ...checkAtLeastOneMs(retries.backoff, [...path, "backoff"]),
    ...checkRetryOn(retries.retryOn, [...path, "retryOn"]),
  ];
}

function checkAttempts(retries: HttpRetry, path: FieldPath): readonly Finding[] {
  const at = [...path, "attempts"];
  if (retries.attempts < 0)
    return [{ code: "LTN0210", path: at, message: `\`${printPath(at)}\` is ${retries.attempts}`, fix: "Use 0 or more." }];
  if (retries.attempts > 0) return [];
  const others = (["perTryTimeout", "retryOn", "backoff"] as const).filter((field) => retries[field] !== undefined);
  if (others.length === 0) return [];
  const message = `\`${printPath(path)}\` sets ${others.join(", ")}, but attempts is 0, so there are no retries`;
  return [{ code: "LTN0212", path: at, message, fix: "Set attempts to 1 or more, or remove the rest." }];
}

function checkRetryOn(retryOn: string | undefined, path: FieldPath): readonly Finding[] {
  if (retryOn === undefined || retryOn === "") return [];
  const unknown = retryOn
    .split(",")
    .map((word) => word.trim())
    .filter((word) => !retryConditions.has(word) && !isStatus(Number(/^\d{3}$/.exec(word)?.[0])));
  return unknown.map((word) => ({
    code: "LTN0210" as const,
    path,
    message: `\`${printPath(path)}\`: ${JSON.stringify(word)} is not a retry condition`,
    fix: `Use status codes and ${[...retryConditions].join(", ")}.`,
  }));
}

/** Statuses Envoy can answer with. */
function isStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status <= 599;
}

function checkStatus(status: number, path: FieldPath): readonly Finding[] {
  return isStatus(status) ? [] : [{ code: "LTN0208", path, message: `\`${printPath(path)}\` is ${status}` }];
}

const grpcStatuses =
  "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split(
    " ",
  );

function checkFault({ fault }: HttpRoute, path: FieldPath): readonly Finding[] {
  if (fault === undefined) return [];
  if (fault.delay === undefined && fault.abort === undefined) {
    return [{ code: "LTN0214", path, message: `\`${printPath(path)}\` has neither delay nor abort`, fix: "Add delay or abort." }];
  }
  return [...checkDelay(fault.delay, [...path, "delay"]), ...checkAbort(fault.abort, [...path, "abort"])];
}

type Fault = NonNullable<HttpRoute["fault"]>;

function checkDelay(delay: Fault["delay"], path: FieldPath): readonly Finding[] {
  if (delay === undefined) return [];
  const name = printPath(path);
  const missing = delay.fixedDelay === undefined && delay.exponentialDelay === undefined;
  const none: readonly Finding[] = missing
    ? [{ code: "LTN0214", path, message: `\`${name}\` has no fixedDelay`, fix: 'Add fixedDelay, for example "2s".' }]
    : [];
  return [
    ...none,
    ...checkAtLeastOneMs(delay.fixedDelay, [...path, "fixedDelay"]),
    ...checkPercent(delay.percentage?.value, [...path, "percentage", "value"]),
    ...checkPercent(delay.percent, [...path, "percent"]),
  ];
}

function checkAbort(abort: Fault["abort"], path: FieldPath): readonly Finding[] {
  if (abort === undefined) return [];
  const given = [abort.httpStatus, abort.grpcStatus, abort.http2Error].filter((value) => value !== undefined);
  const one: readonly Finding[] =
    given.length === 1
      ? []
      : [
          {
            code: "LTN0214",
            path,
            message: `\`${printPath(path)}\` must have exactly one of httpStatus and grpcStatus`,
            fix: "Give exactly one of them.",
          },
        ];
  return [
    ...one,
    ...(abort.httpStatus === undefined ? [] : checkStatus(abort.httpStatus, [...path, "httpStatus"])),
    ...checkGrpcStatus(abort.grpcStatus, [...path, "grpcStatus"]),
    ...checkPercent(abort.percentage?.value, [...path, "percentage", "value"]),
  ];
}

function checkGrpcStatus(status: string | undefined, path: FieldPath): readonly Finding[] {
  if (status === undefined || grpcStatuses.includes(status) || (/^\d{1,2}$/.test(status) && Number(status) < grpcStatuses.length))
    return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(status.slice(0, 40))} is not a gRPC status`;
  return [{ code: "LTN0208", path, message, fix: `Use one of ${grpcStatuses.join(", ")}.` }];
}

function checkRewrite({ rewrite }: HttpRoute, path: FieldPath): readonly Finding[] {
  if (rewrite === undefined) return [];
  const name = printPath(path);
  if (rewrite.uri !== undefined && rewrite.uriRegexRewrite !== undefined) {
    return [{ code: "LTN0215", path, message: `\`${name}\` has uri and uriRegexRewrite`, fix: "Keep one of them." }];
  }
  if (rewrite.uri === undefined && rewrite.uriRegexRewrite === undefined && rewrite.authority === undefined) {
    return [{ code: "LTN0215", path, message: `\`${name}\` rewrites nothing`, fix: "Add uri, authority or uriRegexRewrite." }];
  }
  return rewrite.uriRegexRewrite === undefined ? [] : checkPattern(rewrite.uriRegexRewrite.match, [...path, "uriRegexRewrite", "match"]);
}

const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function checkRedirect({ redirect }: HttpRoute, path: FieldPath): readonly Finding[] {
  if (redirect === undefined) return [];
  const name = printPath(path);
  const findings: Finding[] = [];
  if (!redirectCodes.has(redirect.redirectCode)) {
    const message = `\`${name}.redirectCode\` is ${redirect.redirectCode}`;
    findings.push({ code: "LTN0208", path: [...path, "redirectCode"], message, fix: `Use ${[...redirectCodes].join(", ")}.` });
  }
  if (redirect.port !== undefined && redirect.derivePort !== undefined) {
    findings.push({ code: "LTN0224", path, message: `\`${name}\` has port and derivePort`, fix: "Keep one of them." });
  }
  if (redirect.uri !== undefined && redirect.prefixRewrite !== undefined) {
    findings.push({ code: "LTN0224", path, message: `\`${name}\` has uri and prefixRewrite`, fix: "Keep one of them." });
  }
  return findings;
}

function checkDirectResponse({ directResponse }: HttpRoute, path: FieldPath): readonly Finding[] {
  if (directResponse === undefined) return [];
  const { body } = directResponse;
  const status = checkStatus(directResponse.status, [...path, "status"]);
  if (body === undefined || (body.string === undefined) !== (body.bytes === undefined)) return status;
  const at = [...path, "body"];
  return [...status, { code: "LTN0108", path: at, message: `\`${printPath(at)}\` must have exactly one of string and bytes` }];
}

function checkMirrors(route: HttpRoute, path: FieldPath): readonly Finding[] {
  const both = route.mirror !== undefined && route.mirrors.length > 0;
  const conflict: readonly Finding[] = both
    ? [
        {
          code: "LTN0216",
          path: [...path, "mirrors"],
          message: `\`${printPath(path)}\` has mirror and mirrors`,
          fix: "Move the mirror into mirrors.",
        },
      ]
    : [];
  return [
    ...conflict,
    ...checkPercent(route.mirrorPercentage?.value, [...path, "mirrorPercentage", "value"]),
    ...checkPercent(route.mirrorPercent, [...path, "mirrorPercent"]),
    ...checkPercent(route.mirror_percent, [...path, "mirror_percent"]),
    ...route.mirrors.flatMap(({ percentage }, index) =>
      checkPercent(percentage?.value, [...path, "mirrors", index, "percentage", "value"]),
    ),
  ];
}

function checkHeaders(headers: Headers | undefined, path: FieldPath): readonly Finding[] {
  return (["request", "response"] as const).flatMap((side) => checkOperations(headers?.[side], [...path, side], side));
}

function checkOperations(operations: HeaderOperations | undefined, path: FieldPath, side: "request" | "response"): readonly Finding[] {
  if (operations === undefined) return [];
  const named = (["set", "add"] as const).flatMap((verb) =>
    Object.entries(operations[verb]).flatMap(([name, value]) => [
      ...checkHeaderName(name, [...path, verb, name], { authority: side === "request" && verb === "set" }),
      ...checkHeaderValue(value, [...path, verb, name]),
    ]),
  );
  const removed = operations.remove.flatMap((name, index) => checkHeaderName(name, [...path, "remove", index], { authority: false }));
  return [...named, ...removed];
}

/** Setting Host or :authority on a request is a rewrite (Istio); no other pseudo header can be changed, and Host never removed or added. */
function checkHeaderName(name: string, path: FieldPath, allowed: { readonly authority: boolean }): readonly Finding[] {
  const lower = name.toLowerCase();
  if (lower === ":authority" || lower === "host") {
    if (allowed.authority) return [];
    const message = `\`${printPath(path)}\`: the host of a request can't be added or removed`;
    return [{ code: "LTN0213", path, message, fix: "Use rewrite.authority, or headers.request.set." }];
  }
  if (isHeaderName(name)) return [];
  const fix = name.startsWith(":") ? "Pseudo headers can't be changed; use rewrite or redirect." : "Use letters, digits and '-'.";
  return [
    {
      code: "LTN0213",
      path,
      message: `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is not a header that can be changed`,
      fix,
    },
  ];
}

function checkHeaderValue(value: string, path: FieldPath): readonly Finding[] {
  const name = printPath(path);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a header
  if (/[\u0000\r\n]/.test(value))
    return [{ code: "LTN0213", path, message: `\`${name}\` contains a line break`, fix: "Write it on one line." }];
  return checkHeaderFormat(value, path);
}

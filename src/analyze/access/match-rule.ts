// Whether a request is what one rule of an AuthorizationPolicy describes: Istio's semantics in TypeScript, written apart from the translator
// so that the two can be compared.

import type { JsonObject } from "../../api/json.ts";
import { isJsonObject } from "../../api/json.ts";
import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationRule,
  AuthorizationSource,
} from "../../api/security/authorization-policy.ts";
import { type ConditionKey, conditionKeyOf } from "../../api/security/condition-key.ts";
import type { AccessOptions, AccessRequest, HttpAttributes } from "./access-request.ts";
import { isInRange } from "./ip-range.ts";
import { hostMatches, identityOf, type PeerIdentity, templateMatches, textMatches } from "./match-text.ts";
import { normalizePath } from "./normalize-path.ts";

export interface RuleContext extends AccessOptions {
  readonly request: AccessRequest;
  /** Of the policy. */
  readonly namespace: string;
}

/** Whether all of the rule holds. */
export function ruleMatches({ from, to, when }: AuthorizationRule, context: RuleContext): boolean {
  return (
    (from.length === 0 || from.some(({ source }) => source === undefined || sourceMatches(source, context))) &&
    (to.length === 0 || to.some(({ operation }) => operation === undefined || operationMatches(operation, context))) &&
    when.every((condition) => conditionMatches(condition, context))
  );
}

/** Whether a rule asks for something that only HTTP has. */
export function asksForHttp({ from, to, when }: AuthorizationRule): boolean {
  const isGiven = (...lists: readonly (readonly string[] | undefined)[]): boolean => lists.some((list) => (list ?? []).length > 0);
  return (
    from.some(({ source }) => isGiven(source?.requestPrincipals, source?.notRequestPrincipals)) ||
    to.some(({ operation: on }) => isGiven(on?.hosts, on?.notHosts, on?.methods, on?.notMethods, on?.paths, on?.notPaths)) ||
    when.some(({ key }) => key.startsWith("request.") || (key.startsWith("experimental.") && !key.includes(".network.")))
  );
}

type Test = (value: string) => boolean;

/** One of `values` if there are any, none of `notValues`. */
function holds(values: readonly string[], notValues: readonly string[], test: Test): boolean {
  return (values.length === 0 || values.some(test)) && !notValues.some(test);
}

function sourceMatches(source: AuthorizationSource, context: RuleContext): boolean {
  const { request } = context;
  return (
    holds(source.principals, source.notPrincipals, (value) => isPrincipal(value, context)) &&
    holds(source.namespaces, source.notNamespaces, (value) => isPeer(request, ({ namespace }) => textMatches(value, namespace))) &&
    holds(source.serviceAccounts, source.notServiceAccounts, (value) => isServiceAccount(value, context)) &&
    holds(source.trustDomains, source.notTrustDomains, (value) => isOfTrustDomain(value, request)) &&
    holds(source.ipBlocks, source.notIpBlocks, (block) => isInRange(request.sourceIp, block)) &&
    holds(source.remoteIpBlocks, source.notRemoteIpBlocks, (block) => isInRange(request.remoteIp, block)) &&
    inHttp(context, ({ claims }) =>
      holds(source.requestPrincipals, source.notRequestPrincipals, (value) => isRequestPrincipal(value, claims)),
    )
  );
}

function operationMatches(operation: AuthorizationOperation, context: RuleContext): boolean {
  const { hosts, notHosts, ports, notPorts, methods, notMethods, paths, notPaths } = operation;
  return (
    holds(ports, notPorts, (port) => Number(port) === context.request.destinationPort) &&
    inHttp(
      context,
      ({ authority, method, path }) =>
        holds(hosts, notHosts, (value) => hostMatches(value, authority)) &&
        holds(methods, notMethods, (value) => textMatches(value, method)) &&
        holds(paths, notPaths, (value) => isPath(value, normalizePath(path, context.pathNormalization)?.path ?? path)),
    )
  );
}

/** On a TCP port nothing is asked: ALLOW rules with HTTP attributes don't come here (see decideAccess), others lose these attributes. */
function inHttp({ request }: RuleContext, test: (http: HttpAttributes) => boolean): boolean {
  return request.http === undefined || test(request.http);
}

function isPath(value: string, path: string): boolean {
  return value.includes("{*}") || value.includes("{**}") ? templateMatches(value, path) : textMatches(value, path);
}

function isPrincipal(value: string, { request, trustDomains }: RuleContext): boolean {
  const [domain = "", ...rest] = value.split("/");
  const isOurs = rest.length > 0 && (domain === "cluster.local" || trustDomains.includes(domain)) && trustDomains.length > 0;
  const values = isOurs ? trustDomains.map((own) => [own, ...rest].join("/")) : [value];
  return request.peer.some((uri) => uri.startsWith("spiffe://") && values.some((text) => textMatches(text, uri.slice("spiffe://".length))));
}

function isPeer({ peer }: AccessRequest, test: (identity: PeerIdentity) => boolean): boolean {
  return peer.map(identityOf).some((identity) => identity !== undefined && test(identity));
}

function isServiceAccount(value: string, { request, namespace: own }: RuleContext): boolean {
  const [first = "", second] = value.split("/");
  const [namespace, account] = second === undefined ? [own, first] : [first, second];
  return isPeer(request, (identity) => identity.namespace === namespace && identity.serviceAccount === account);
}

function isOfTrustDomain(value: string, { peer }: AccessRequest): boolean {
  return peer.some((uri) => /^spiffe:\/\/[^/]+\//.test(uri) && textMatches(value, uri.split("/")[2] ?? ""));
}

function isRequestPrincipal(value: string, claims: JsonObject | undefined): boolean {
  const { iss, sub } = { iss: claims?.["iss"], sub: claims?.["sub"] };
  if (typeof iss !== "string" || typeof sub !== "string") return false;
  return value === "*" ? iss !== "" && sub !== "" : textMatches(value, `${iss}/${sub}`);
}

function conditionMatches(condition: AuthorizationCondition, context: RuleContext): boolean {
  const key = conditionKeyOf(condition.key);
  if (key === undefined) return false;
  const test = attributeTest(key, context);
  return test === undefined || holds(condition.values, condition.notValues, test);
}

/** Undefined when a TCP connection can't have the attribute. */
function attributeTest(key: ConditionKey, context: RuleContext): Test | undefined {
  const { request } = context;
  switch (key.attribute) {
    case "source.ip":
      return (block) => isInRange(request.sourceIp, block);
    case "remote.ip":
      return (block) => isInRange(request.remoteIp, block);
    case "destination.ip":
      return (block) => isInRange(request.destinationIp, block);
    case "destination.port":
      return (port) => Number(port) === request.destinationPort;
    case "source.namespace":
      return (value) => isPeer(request, ({ namespace }) => textMatches(value, namespace));
    case "source.serviceAccount":
      return (value) => isServiceAccount(value, context);
    case "source.trustDomain":
      return (value) => isOfTrustDomain(value, request);
    case "source.principal":
      return (value) => isPrincipal(value, context);
    case "connection.sni":
      return (value) => textMatches(value.toLowerCase(), request.serverName.toLowerCase());
    case "filter":
      return filterTest(key, request);
    default:
      return request.http === undefined ? undefined : httpTest(key, request.http);
  }
}

function httpTest(key: ConditionKey, { headers, claims, authority, method }: HttpAttributes): Test {
  switch (key.attribute) {
    case "request.auth.principal":
      return (value) => isRequestPrincipal(value, claims);
    case "request.auth.audiences":
      return claimTest(["aud"], claims);
    case "request.auth.presenter":
      return claimTest(["azp"], claims);
    case "request.auth.claims":
      return claimTest(key.claims, claims);
    case "request.headers": {
      const values = headerValues(key.header, { headers, authority, method });
      return (value) => values.some((given) => value === "*" || textMatches(value, given));
    }
    default:
      return () => false;
  }
}

/** Every value of a repeated header stands for itself. */
function headerValues(
  name: string,
  { headers, authority, method }: Pick<HttpAttributes, "headers" | "authority" | "method">,
): readonly string[] {
  if (name === "host" || name === ":authority") return [authority];
  if (name === ":method") return [method];
  return headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);
}

function claimTest(path: readonly string[], claims: JsonObject | undefined): Test {
  const claim = path.reduce<unknown>(
    (value, step) => (isJsonObject(value) && Object.hasOwn(value, step) ? value[step] : undefined),
    claims,
  );
  const texts = (Array.isArray(claim) ? claim : [claim]).filter((item) => typeof item === "string");
  return (value) => texts.some((text) => textMatches(value, text));
}

function filterTest(
  { filter, key }: { readonly filter: string; readonly key: string },
  { metadata, http }: AccessRequest,
): Test | undefined {
  if (http === undefined && !filter.startsWith("envoy.filters.network.")) return undefined;
  const given = metadata !== undefined && Object.hasOwn(metadata, filter) ? metadata[filter]?.[key] : undefined;
  return (value) => {
    if (!value.startsWith("[") || !value.endsWith("]")) return typeof given === "string" && textMatches(value, given);
    return Array.isArray(given) && given.some((item) => typeof item === "string" && textMatches(value.slice(1, -1), item));
  };
}

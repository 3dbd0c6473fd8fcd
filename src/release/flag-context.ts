// OpenFeature's evaluation context, as an application sends it -> the request and the user that a flag is decided for. Pure; in: what strangers send.

import { z } from "zod";
import type { AudienceRequest, AudienceSource } from "./audience-match.ts";

/** What a flag is decided by. */
export interface FlagContext {
  /** The user as the edge knows them: what the cookie, header or claim would say there. */
  readonly targetingKey?: string;
  /** The request as it is in the mesh; its `baggage` carries the user. */
  readonly request: AudienceRequest;
  /** What users are told apart by at the edge, where the request itself doesn't say. */
  readonly cookies: Readonly<Record<string, string>>;
  /** Unset: the pod that asks. */
  readonly source?: AudienceSource;
}

export type FlagContextResult =
  | { readonly ok: true; readonly context: FlagContext }
  | { readonly ok: false; readonly errorCode: "INVALID_CONTEXT" | "PARSE_ERROR"; readonly message: string };

/** Of all names in headers, cookies, query and claims together. */
const maxEntries = 500;

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const texts = (separator: string) => z.union([scalar, z.array(scalar).transform((all) => all.join(separator))]);
const named = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value).default({});

const contextSchema = z.object({
  targetingKey: z.string().optional(),
  headers: named(texts(",")),
  cookies: named(scalar),
  query: named(scalar),
  queryParams: named(scalar),
  path: z.string().startsWith("/").default("/"),
  userAgent: z.string().optional(),
  claims: named(z.unknown()),
  source: z.object({ namespace: z.string(), labels: z.record(z.string(), z.string()).default({}) }).optional(),
});

/** Reads `{"context": {…}}` of an OFREP request; attributes that say nothing of a request are the application's own and stay unread. */
export function parseFlagContext(body: unknown): FlagContextResult {
  const outer = z.object({ context: z.unknown().optional() }).safeParse(body ?? {});
  if (!outer.success) return { ok: false, errorCode: "PARSE_ERROR", message: "the body is no JSON object" };
  const parsed = contextSchema.safeParse(outer.data.context ?? {});
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const message = `context${issue === undefined ? "" : `: ${["", ...issue.path].join(".")} ${issue.message}`}`;
    return { ok: false, errorCode: "INVALID_CONTEXT", message: message.slice(0, 300) };
  }
  const { headers, cookies, query, queryParams, claims, path, userAgent, targetingKey, source } = parsed.data;
  const all = [headers, cookies, query, queryParams, claims];
  if (all.reduce((sum, map) => sum + Object.keys(map).length, 0) > maxEntries)
    return { ok: false, errorCode: "INVALID_CONTEXT", message: `the context names more than ${maxEntries} things` };
  const request = {
    path: pathWith(path, { ...queryParams, ...query }),
    headers: headersWith(headers, { cookies, userAgent }),
    claims,
  };
  return {
    ok: true,
    context: {
      request,
      cookies,
      ...(targetingKey === undefined || targetingKey === "" ? {} : { targetingKey }),
      ...(source === undefined ? {} : { source }),
    },
  };
}

/** Envoy compares parameters as they are sent, so they are written as clients write them. */
function pathWith(path: string, query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  if (pairs.length === 0) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${pairs.join("&")}`;
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

interface Besides {
  readonly cookies: Readonly<Record<string, string>>;
  readonly userAgent: string | undefined;
}

/** Names in lower case. Cookies given by name stand behind those of the header. */
function headersWith(headers: Readonly<Record<string, string>>, { cookies, userAgent }: Besides): Readonly<Record<string, string>> {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  if (userAgent !== undefined && !lower.has("user-agent")) lower.set("user-agent", userAgent);
  const jar = Object.entries(cookies).map(([name, value]) => `${name}=${value}`);
  const cookie = lower.get("cookie");
  if (jar.length > 0) lower.set("cookie", [...(cookie === undefined ? [] : [cookie]), ...jar].join("; "));
  return Object.fromEntries(lower);
}

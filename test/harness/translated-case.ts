// A golden case of translate: YAML documents of a world and one `kind: Case` that says whose configuration is looked at.

import { parseAllDocuments, stringify } from "yaml";
import { z } from "zod";
import type { EncodedResource, ProxyConfig } from "../../src/envoy/config.ts";
import { defaultTelemetrySettings } from "../../src/model/telemetry-settings.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { withoutBuiltInLog, worldOf } from "./world.ts";

const caseSchema = z.strictObject({
  kind: z.literal("Case"),
  /** "<pod>.<namespace>". */
  proxy: z.string(),
  /** Parts of the names of the resources that the golden shows; all when empty. */
  only: z.array(z.string()).default([]),
  settings: z
    .strictObject({
      outboundTrafficPolicy: z.enum(["ALLOW_ANY", "REGISTRY_ONLY"]).optional(),
      accessLogFile: z.string().default(""),
      /** Off unless it is the point of the case: it stands in every cluster. */
      enableAutoMtls: z.boolean().default(false),
      trustDomainAliases: z.array(z.string()).default([]),
    })
    .default({ accessLogFile: "", enableAutoMtls: false, trustDomainAliases: [] }),
  /** Secrets that are there, by "<namespace>/<name>". */
  credentials: z
    .record(z.string(), z.strictObject({ certificate: z.boolean().default(true), roots: z.boolean().default(false) }))
    .default({}),
  /** Addresses of DNS names. */
  resolved: z.record(z.string(), z.array(z.string())).default({}),
});

export interface TranslatedCase {
  readonly config: ProxyConfig;
  /** Whether the golden shows a resource. */
  readonly shows: (resource: EncodedResource) => boolean;
}

/** Builds the world and translates for the proxy the case names. */
export function translatedCase(text: string): TranslatedCase {
  const documents: unknown[] = parseAllDocuments(text).map((document) => document.toJS());
  const isCase = (document: unknown) => typeof document === "object" && document !== null && "kind" in document && document.kind === "Case";
  const { proxy, only, settings, credentials, resolved } = caseSchema.parse(documents.find(isCase));
  const { outboundTrafficPolicy, ...given } = settings;
  const others = { ...given, telemetry: given.accessLogFile === "" ? withoutBuiltInLog : defaultTelemetrySettings };
  const world = worldOf(
    documents
      .filter((document) => !isCase(document))
      .map((document) => stringify(document))
      .join("---\n"),
    {
      settings: outboundTrafficPolicy === undefined ? others : { ...others, outboundTrafficPolicy },
      credentials: new Map(Object.entries(credentials)),
      resolved: new Map(Object.entries(resolved)),
    },
  );
  const config = createTranslator()(world.mesh, world.proxy(proxy));
  return { config, shows: ({ name }) => only.length === 0 || only.some((part) => name.includes(part)) };
}

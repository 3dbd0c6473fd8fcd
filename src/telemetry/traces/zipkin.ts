// Spans → Zipkin's JSON, version 2 (openzipkin/zipkin-api, zipkin2-api.yaml).

import type { Attributes, Span, SpanKind } from "./span.ts";

/** A span as Zipkin's POST /api/v2/spans takes it, in a list. */
export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  readonly name: string;
  readonly kind?: "CLIENT" | "SERVER" | "PRODUCER" | "CONSUMER";
  /** Microseconds. */
  readonly timestamp: number;
  readonly duration: number;
  readonly localEndpoint: { readonly serviceName: string };
  readonly tags: Readonly<Record<string, string>>;
  readonly annotations: readonly { readonly timestamp: number; readonly value: string }[];
}

const kinds: Readonly<Partial<Record<SpanKind, NonNullable<ZipkinSpan["kind"]>>>> = {
  client: "CLIENT",
  server: "SERVER",
  producer: "PRODUCER",
  consumer: "CONSUMER",
};

/** One span. Zipkin takes no duration below a microsecond, and shows what has a tag "error" as failed. */
export function zipkinSpan(span: Span): ZipkinSpan {
  const { traceId, spanId, parentId, name, sender, isError, isMirrored, statusText } = span;
  const kind = kinds[span.kind];
  const who = { "service.version": sender.version, "k8s.pod.name": sender.pod, "k8s.namespace.name": sender.namespace };
  return {
    traceId,
    id: spanId,
    ...(parentId === "" ? {} : { parentId }),
    name,
    ...(kind === undefined ? {} : { kind }),
    timestamp: Math.round(span.startUs),
    duration: Math.max(1, Math.round(span.durationUs)),
    localEndpoint: { serviceName: sender.service },
    tags: {
      ...texts(span.attributes),
      ...texts(who),
      ...(isMirrored ? { "lateen.mirrored": "1" } : {}),
      ...(isError ? { error: statusText || "true" } : {}),
    },
    annotations: span.events.map((event) => ({ timestamp: Math.round(event.timeUs), value: event.name })),
  };
}

function texts(attributes: Attributes): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(attributes).flatMap(([key, value]) => (value === "" ? [] : [[key, String(value)]])));
}

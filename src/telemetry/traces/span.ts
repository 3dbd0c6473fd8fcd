// A span as it is kept, whoever reported it: what happened, when, and who says so. Made by otlp-spans.ts (binary) and otlp-json.ts, named by sender.ts.

/** Values of OTLP's attributes; lists and maps are JSON text. */
export type AttributeValue = string | number | boolean;
export type Attributes = Readonly<Record<string, AttributeValue>>;

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";

/** What a report says of a span, before anybody knows whose it is. */
export interface ReportedSpan {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** "" for the first of its trace. */
  readonly parentId: string;
  readonly name: string;
  readonly kind: SpanKind;
  /** Microseconds since the Unix epoch, by the sender's clock. */
  readonly startUs: number;
  readonly durationUs: number;
  readonly isError: boolean;
  /** Why it failed, in the sender's words. */
  readonly statusText: string;
  readonly attributes: Attributes;
  readonly events: readonly SpanEvent[];
}

export interface SpanEvent {
  readonly name: string;
  readonly timeUs: number;
  readonly attributes: Attributes;
}

/** Spans of one source with its own words about itself. */
export interface ReportedSpans {
  readonly resource: Attributes;
  readonly spans: readonly ReportedSpan[];
  /** Not read: beyond the limits, or without sound ids. */
  readonly skipped: number;
}

/** Who reported a span, as the connection tells; "" for what isn't known. */
export interface SpanSender {
  readonly kind: "proxy" | "application" | "stranger";
  /** Canonical name of the workload (label service.istio.io/canonical-name, app, or the workload's name). */
  readonly service: string;
  readonly version: string;
  readonly workload: string;
  readonly namespace: string;
  readonly pod: string;
}

export interface Span extends ReportedSpan {
  readonly sender: SpanSender;
  /** Of a copy that a mirror sent. */
  readonly isMirrored: boolean;
  /** What an application says of itself; nothing for proxies. */
  readonly resource: Attributes;
}

/** A text attribute; "" when it isn't there. */
export function attributeText(attributes: Attributes, name: string): string {
  return Object.hasOwn(attributes, name) ? String(attributes[name]) : "";
}

/** By time, then by id, so that equal times have an order. */
export function bySpanTime(a: ReportedSpan, b: ReportedSpan): number {
  return a.startUs - b.startUs || (a.spanId < b.spanId ? -1 : 1);
}

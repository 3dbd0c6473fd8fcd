// A trace as it is kept: its spans by id, and what lists and searches need of it.

import { hasFailed } from "./name-spans.ts";
import { type Attributes, attributeText, bySpanTime, type Span } from "./span.ts";

/** What a list says of a trace. */
export interface TraceSummary {
  readonly traceId: string;
  /** Service and operation of the first span: the one without parent, else the earliest. */
  readonly service: string;
  readonly operation: string;
  readonly startUs: number;
  /** From the first span's start to the last one's end, without copies that a mirror sent. */
  readonly durationUs: number;
  readonly spans: number;
  /** Sorted. */
  readonly services: readonly string[];
  /** Spans that failed. */
  readonly errors: number;
  /** Where it failed: the service of the innermost failed span; "" for none. */
  readonly failedIn: string;
  /** Response code of the first span, if it has one. */
  readonly status: string;
  /** Whether its first span hasn't been reported. */
  readonly isPartial: boolean;
}

/** Its summary; `spans` isn't empty. */
export function summaryOf(traceId: string, spans: Iterable<Span>): TraceSummary {
  const all = [...spans].sort(bySpanTime);
  const ids = new Set(all.map(({ spanId }) => spanId));
  const own = all.some(({ isMirrored }) => !isMirrored) ? all.filter(({ isMirrored }) => !isMirrored) : all;
  const root = own.find(({ parentId }) => parentId === "") ?? own.find(({ parentId }) => !ids.has(parentId)) ?? own[0];
  const startUs = own.reduce((earliest, span) => Math.min(earliest, span.startUs), Number.POSITIVE_INFINITY);
  const endUs = own.reduce((latest, span) => Math.max(latest, span.startUs + span.durationUs), 0);
  return {
    traceId,
    service: root?.sender.service ?? "",
    operation: root?.name ?? "",
    startUs,
    durationUs: endUs - startUs,
    spans: all.length,
    services: [...new Set(all.map(({ sender }) => sender.service))].sort(),
    errors: all.filter(hasFailed).length,
    failedIn: failedSpan(own)?.sender.service ?? "",
    status: statusOf(root?.attributes ?? {}),
    isPartial: root === undefined || root.parentId !== "",
  };
}

function statusOf(attributes: Attributes): string {
  return attributeText(attributes, "http.status_code") || attributeText(attributes, "http.response.status_code");
}

/** Where a failure began: a failed span without failed ones below it, the earliest to end. */
export function failedSpan(spans: readonly Span[]): Span | undefined {
  const parents = new Set(spans.filter(hasFailed).map(({ parentId }) => parentId));
  const innermost = spans.filter((span) => hasFailed(span) && !parents.has(span.spanId));
  return innermost.toSorted((a, b) => a.startUs + a.durationUs - (b.startUs + b.durationUs))[0];
}

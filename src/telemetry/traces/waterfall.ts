// A trace's spans as the tree in which people read it: each span below its parent, with what is odd about it said, not hidden: parents that nobody
// reported, and clocks that disagree.

import { bySpanTime, type Span } from "./span.ts";
import { failedSpan } from "./trace.ts";

export interface WaterfallRow {
  readonly span: Span;
  /** 0 for spans without a known parent. */
  readonly depth: number;
  /** Microseconds after the first span's start; below 0 only where clocks disagree. */
  readonly offsetUs: number;
  /** Its parent wasn't reported: a proxy or an application that sends no spans, or one that was lost. */
  readonly isOrphan: boolean;
  /** How much earlier than its parent it began, in microseconds: the two clocks disagree by at least that. 0 for none. Offsets aren't corrected. */
  readonly skewUs: number;
  /** Where the failure began. */
  readonly isCause: boolean;
}

export interface Waterfall {
  readonly rows: readonly WaterfallRow[];
  readonly startUs: number;
  /** To the end of the last span. */
  readonly durationUs: number;
}

/** Rows from the top down: children by time below their parent. Each span comes once, whatever parents they claim. */
export function waterfallOf(spans: readonly Span[]): Waterfall {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const children = new Map<string, Span[]>();
  for (const span of spans.toSorted(bySpanTime)) {
    const parent = byId.has(span.parentId) && span.parentId !== span.spanId ? span.parentId : "";
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [span]);
    else siblings.push(span);
  }
  const startUs = spans.reduce((earliest, span) => Math.min(earliest, span.startUs), Number.POSITIVE_INFINITY);
  const endUs = spans.reduce((latest, span) => Math.max(latest, span.startUs + span.durationUs), 0);
  const cause = failedSpan(spans.filter(({ isMirrored }) => !isMirrored)) ?? failedSpan(spans);
  const rowOf = (span: Span, depth: number): WaterfallRow => {
    const parent = depth === 0 ? undefined : byId.get(span.parentId);
    return {
      span,
      depth,
      offsetUs: span.startUs - startUs,
      isOrphan: span.parentId !== "" && !byId.has(span.parentId),
      skewUs: parent === undefined ? 0 : Math.max(0, parent.startUs - span.startUs),
      isCause: span === cause,
    };
  };
  const rows: WaterfallRow[] = [];
  const seen = new Set<string>();
  const walk = (top: readonly Span[]): void => {
    // A stack, not recursion: a trace may be as deep as it is long.
    const open = top.toReversed().map((span) => ({ span, depth: 0 }));
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { span, depth } = next;
      if (seen.has(span.spanId)) continue;
      seen.add(span.spanId);
      rows.push(rowOf(span, depth));
      for (const child of (children.get(span.spanId) ?? []).toReversed()) open.push({ span: child, depth: depth + 1 });
    }
  };
  walk(children.get("") ?? []);
  // Spans that are each other's parents.
  for (const span of spans.toSorted(bySpanTime)) if (!seen.has(span.spanId)) walk([span]);
  return { rows, startUs: spans.length === 0 ? 0 : startUs, durationUs: spans.length === 0 ? 0 : endUs - startUs };
}

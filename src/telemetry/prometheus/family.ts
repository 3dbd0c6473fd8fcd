// Metrics as Prometheus' text formats have them: families of samples. What the parser returns, the merge joins and the writer prints.

export type FamilyType = "counter" | "gauge" | "histogram" | "summary" | "unknown";

export interface TextSample {
  /** With a histogram's suffix: "x_bucket". */
  readonly name: string;
  /** In the order of the text; names don't repeat. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly value: number;
  /** Since the epoch; undefined for "when it was scraped". */
  readonly timestampMs?: number | undefined;
}

export interface Family {
  readonly name: string;
  readonly type: FamilyType;
  /** Undefined when none was given. */
  readonly help: string | undefined;
  readonly samples: readonly TextSample[];
}

/** Names of metrics; labels have no colon (Prometheus' data model). */
export const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
export const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** What a sample's name may end with beside its family's name. */
export const suffixes: Readonly<Record<FamilyType, readonly string[]>> = {
  counter: ["_total", "_created"],
  gauge: [],
  histogram: ["_bucket", "_sum", "_count", "_created"],
  summary: ["_sum", "_count", "_created"],
  unknown: [],
};

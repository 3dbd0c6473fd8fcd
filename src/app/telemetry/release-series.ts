// Prometheus series of releases: how each stands -> its samples. Pure.

/** How one release stands now. */
export interface ReleaseFigures {
  readonly namespace: string;
  readonly release: string;
  readonly phase: string;
  /** Configured public share, percent. */
  readonly weightPercent: number;
  /** Measured share of requests in the step, percent. */
  readonly sharePercent?: number;
  /** Steps from 1; 0 before the first. */
  readonly step: number;
  readonly steps: number;
  /** Natural logarithm of the evidence for harm, and what it rolls back at; of the present or last run. */
  readonly evidence?: { readonly harm: number; readonly threshold: number };
  readonly failedRequests: number;
}

interface Value {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Series {
  readonly name: string;
  readonly help: string;
  readonly values: (figures: ReleaseFigures) => readonly Value[];
}

/** The series that has a label more: `phase`. */
export const phaseSeries = "lateen_release_phase";

const optional = (value: number | undefined): readonly Value[] => (value === undefined || !Number.isFinite(value) ? [] : [{ value }]);

/** All series; each has the labels namespace and release. */
export const releaseSeries: readonly Series[] = [
  {
    name: phaseSeries,
    help: "1 for the phase that the release is in.",
    values: ({ phase }) => [{ value: 1, labels: { phase } }],
  },
  {
    name: "lateen_release_weight_percent",
    help: "Share of the public that is configured for the candidate.",
    values: ({ weightPercent }) => [{ value: weightPercent }],
  },
  {
    name: "lateen_release_share_percent",
    help: "Share of requests that the candidate was seen to get in this step.",
    values: ({ sharePercent }) => optional(sharePercent),
  },
  { name: "lateen_release_step", help: "The step that holds, from 1; 0 before the first.", values: ({ step }) => [{ value: step }] },
  { name: "lateen_release_steps", help: "Steps of the run.", values: ({ steps }) => [{ value: steps }] },
  {
    name: "lateen_release_evidence_log",
    help: "Natural logarithm of the evidence that the candidate is worse than allowed.",
    values: ({ evidence }) => optional(evidence?.harm),
  },
  {
    name: "lateen_release_evidence_threshold_log",
    help: "Natural logarithm of the evidence that rolls back.",
    values: ({ evidence }) => optional(evidence?.threshold),
  },
  {
    name: "lateen_release_failed_requests",
    help: "Failed requests of the candidate in the run.",
    values: ({ failedRequests }) => [{ value: failedRequests }],
  },
];

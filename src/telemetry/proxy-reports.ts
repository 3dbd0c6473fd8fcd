// How proxies count and report: what their bootstrap and listeners say (translate), and what the collector has to know to read it exactly.

/** How often a proxy reports its stats. */
export const reportFlushMs = 1000;

/**
 * Series that are idle for so long are no longer reported, and dropped when they stay idle for as long again. Five minutes, as Istio drops metrics of peers
 * that are gone (METRIC_GRACEFUL_DELETION_INTERVAL). Shorter would give up room for new series sooner, but every boundary between "hidden" and
 * "dropped" costs a count when reports are lost meanwhile. Samples don't depend on it: they hold differences.
 */
export const statsEvictionMs = 300_000;

/**
 * Series of one proxy, per kind; Envoy counts nothing beyond and doesn't say so. A caller chooses none of the tags, but every certificate of the mesh is a
 * value: 5,000 is what a service with 500 callers, two versions each, and five response codes makes.
 */
export const maxCountersOfProxy = 5000;
/** As above: every request has three histograms, so that histograms come to their limit first. One of Envoy's takes about 2 kB. */
export const maxHistogramsOfProxy = 15_000;

/** Names of the series about single tries of requests, which are counted while a release judges. */
export const triesTotal = "lateen_tries_total";
export const tryDuration = "lateen_try_duration_milliseconds";

/** Header of copies of requests (route mirrors), "1". */
export const mirrorHeader = "x-lateen-mirror";
/** The same as a member of `baggage` (W3C), which applications pass on to what they call. */
export const mirrorBaggageKey = "lateen.mirror";
export const mirrorBaggage = `${mirrorBaggageKey}=1`;

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
/** As above: requests have two or three histograms, so that histograms come to their limit first. One of Envoy's takes about 2 kB. */
export const maxHistogramsOfProxy = 15_000;

/** Names of the series about single tries of requests, which are counted while a release judges. */
export const triesTotal = "lateen_tries_total";
export const tryDuration = "lateen_try_duration_milliseconds";
/**
 * Of those series alone: the `pod-template-hash` of the pod that was tried, as their proxies' tag, and the label that is made of it. Pods of two templates
 * may have the same version; Istio's own series don't tell them apart.
 */
export const templateTag = "template";
export const templateLabel = "destination_template";
/** Names of the series about connections as trials of their servers (connection-trials.ts). */
export const connectionsTried = "lateen_connections_tried_total";
export const connectionsFailed = "lateen_connections_failed_total";
/** Tries that don't say whose request they are, at callers; and requests that do, at whoever gets them: a hop that drops `baggage` shows by both. */
export const untoldTriesTotal = "lateen_untold_tries_total";
export const toldRequestsTotal = "lateen_told_requests_total";

/** Header of copies of requests (route mirrors), "1". */
export const mirrorHeader = "x-lateen-mirror";
/** The same as a member of `baggage` (W3C), which applications pass on to what they call. */
const mirrorBaggageKey = "lateen.mirror";
export const mirrorBaggage = `${mirrorBaggageKey}=1`;

/** Spaces and tabs around members and their parts (W3C Baggage, OWS). No backslashes: CEL's texts know none of RE2's. */
const gap = "[ \t]*";
const member = `${gap}lateen[.]mirror${gap}=`;
/** RE2 of a whole `baggage` that has the member, among others, perhaps with properties. */
export const mirrorBaggagePattern = `(.*,)?${member}${gap}1${gap}([,;].*)?`;
/** RE2 of a whole `baggage` that has the member with whatever value. */
export const anyMirrorBaggagePattern = `(.*,)?${member}.*`;

/**
 * Envoy's format of whether a request is a copy, or caused by one: "1", or nothing. For what is written of few requests: setting a header by it would cost
 * all of them. A missing header is an error in CEL, which nothing is written for; so is the name "". Envoy allows CEL only small regular expressions.
 */
export const copyMark = `%CEL(${[
  `request.headers['${mirrorHeader}'] == '1'`,
  `request.headers['baggage'].matches('(^|,)${member}${gap}1${gap}($|[,;])') ? '1' : request.headers['']`,
].join(" || ")})%`;

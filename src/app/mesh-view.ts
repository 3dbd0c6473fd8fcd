// What the control plane tells about itself: pods, proxies, acknowledgements, findings. Implements the HTTP API's MeshView.

import { answerAccess } from "../analyze/access/answer-access.ts";
import { describePod, type PodFacts } from "../analyze/describe-pod.ts";
import type { Diagnostic } from "../api/diagnostic.ts";
import { resourceName } from "../api/resource.ts";
import type { AcknowledgedReply, ConfigChange, MeshStatus, PodSummary, ProxyStatus, RejectedResource } from "../http/contract.ts";
import type { MeshView } from "../http/mesh-view.ts";
import { NotFound, Unavailable } from "../lib/errors.ts";
import type { Mesh } from "../model/mesh.ts";
import { mtlsText } from "../model/policies.ts";
import type { Store, Stored } from "../store/store.ts";
import type { AdsServer } from "../xds/ads-server.ts";
import { type AuthorityAccess, authorityView, certificateView } from "./authority-access.ts";
import type { MeshEngine } from "./mesh-engine.ts";
import { structuralKinds } from "./urgency.ts";

export interface MeshViewOptions {
  readonly mesh: string;
  readonly store: Store;
  readonly ads: AdsServer;
  readonly engine: MeshEngine;
  /** Beside those of objects and proxies. */
  readonly findings: () => readonly Diagnostic[];
  readonly startedAt: string;
  /** The live graph. */
  readonly graph: Pick<MeshView, "edges">;
}

type SessionStatus = ReturnType<AdsServer["status"]>[number];

/** Builds the view over the running parts. */
export function createMeshView({ mesh, store, ads, engine, findings: others, startedAt, graph }: MeshViewOptions): MeshView {
  const authority: AuthorityAccess = engine.security;
  const proxies = () =>
    ads.status().map((session) => ({ ...proxyStatus(session, engine), ...securityOf(session.proxyId, engine, authority) }));
  const findings = () => [...engine.findings(), ...ads.status().flatMap(refusals), ...others()];
  return {
    status: () =>
      statusOf({ mesh, startedAt, store, changes: latestChanges(store, ads.status()), proxies: proxies(), findings: findings() }),
    proxies: () => ({ revision: store.revision, proxies: proxies() }),
    diagnostics: () => ({ revision: store.revision, diagnostics: findings() }),
    ...authorityPart(authority),
    access: (question) => answerAccess(question, { mesh: meshOf(engine), snapshot: store.snapshot() }),
    describePod: (namespace, name) => {
      const facts = describePod(namespace, name, { mesh: meshOf(engine), snapshot: store.snapshot() });
      if (facts === undefined) throw new NotFound(`there is no pod ${namespace}/${name}`);
      const status = proxies().find(({ id }) => id === facts.proxyId);
      return {
        ...facts,
        ...(status === undefined ? {} : { proxyStatus: status }),
        ...(status?.certificate === undefined ? {} : { certificate: status.certificate }),
        roots: authorityView(authority).roots.map(({ fingerprint }) => fingerprint),
        problems: problemsOf(facts, findings()),
      };
    },
    edges: (query) => graph.edges(query),
    names: async (after, { timeoutMs, signal }) => {
      await engine.names.changed(after, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      return { version: engine.names.current.version, names: engine.names.current.table };
    },
    waitAcknowledged: async (revision, { timeoutMs, signal }) => {
      const progress = await ads.whenAcknowledged(revision, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      return acknowledgedReply(progress, engine.security.heldUpBy);
    },
  };
}

/** What was found about a pod or about an object that acts on it. */
function problemsOf(facts: PodFacts, found: readonly Diagnostic[]): readonly Diagnostic[] {
  const { accepts, authorizationPolicies, requestAuthentications, services, virtualServices, destinationRules, gateways } = facts;
  const named = [...authorizationPolicies, ...requestAuthentications, ...services].map(({ name }) => name);
  const sources = accepts.flatMap(({ source }) => source ?? []);
  const objects = new Set([facts.name, ...named, ...sources, ...virtualServices, ...destinationRules, ...gateways]);
  return found.filter(({ resource }) => resource.split(", ").some((name) => objects.has(name)));
}

function meshOf({ mesh }: MeshEngine): Mesh {
  if (mesh === undefined) throw new Unavailable("the mesh isn't made yet");
  return mesh;
}

function authorityPart(authority: AuthorityAccess): Pick<MeshView, "authority" | "renewCertificates" | "rotateRoot" | "abortRootRotation"> {
  return {
    authority: () => authorityView(authority),
    renewCertificates: () => ({ certificates: authority.renewCertificates() }),
    rotateRoot: () => {
      authority.startRootRotation();
      return authorityView(authority);
    },
    abortRootRotation: () => {
      authority.abortRootRotation();
      return authorityView(authority);
    },
  };
}

function securityOf(proxyId: string, engine: MeshEngine, authority: AuthorityAccess): Pick<ProxyStatus, "certificate" | "mtls"> {
  const certificate = authority.certificateOf(proxyId);
  const mesh = engine.mesh;
  const mtls = mesh?.proxies.get(proxyId)?.kind === "sidecar" ? mesh.security.get(proxyId)?.mtls : undefined;
  return {
    ...(certificate === undefined ? {} : { certificate: certificateView(certificate) }),
    ...(mtls === undefined ? {} : { mtls: mtlsText(mtls) }),
  };
}

/** Kinds that people change to change traffic, who may, or what is told of it. */
const configKinds = [...structuralKinds, "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication", "Telemetry"] as const;
const shownChanges = 10;

function latestChanges(store: Store, sessions: readonly SessionStatus[]): readonly ConfigChange[] {
  const connected = sessions.filter(({ isConnected }) => isConnected);
  const isInForce = ({ settledRevision, acknowledgedRevision, progress }: SessionStatus, resource: string, revision: number) =>
    (acknowledgedRevision ?? 0) >= revision ||
    ((settledRevision ?? 0) >= revision && !progress.obstacles.some(({ sources }) => sources.includes(resource)));
  return configKinds
    .flatMap((kind): readonly Stored[] => store.list(kind))
    .toSorted((a, b) => b.revision - a.revision)
    .slice(0, shownChanges)
    .map(({ value, revision }) => ({
      resource: resourceName(value),
      revision,
      acknowledged: connected.filter((session) => isInForce(session, resourceName(value), revision)).length,
      total: connected.length,
    }));
}

interface StatusParts {
  readonly mesh: string;
  readonly startedAt: string;
  readonly store: Store;
  readonly changes: readonly ConfigChange[];
  readonly proxies: readonly ProxyStatus[];
  readonly findings: readonly Diagnostic[];
}

function statusOf({ mesh, startedAt, store, changes, proxies, findings }: StatusParts): MeshStatus {
  const count = (severity: Diagnostic["severity"]) => findings.filter((finding) => finding.severity === severity).length;
  return {
    mesh,
    revision: store.revision,
    startedAt,
    pods: store.list("Pod").map(podSummary),
    proxies: {
      total: proxies.length,
      connected: proxies.filter(({ connected }) => connected).length,
      synced: proxies.filter(({ synced }) => synced).length,
    },
    changes,
    diagnostics: { errors: count("error"), warnings: count("warning") },
  };
}

function podSummary({ value, name, namespace }: Stored<"Pod">): PodSummary {
  const { status } = value;
  const ready = status?.conditions.find(({ type }) => type === "Ready");
  const isReady = ready?.status === "True";
  return {
    namespace: namespace ?? "",
    name,
    phase: value.metadata.deletionTimestamp === undefined ? (status?.phase ?? "Pending") : "Terminating",
    ready: isReady,
    reason: isReady || status?.phase === "Succeeded" ? undefined : (ready?.message ?? "the node has not taken it yet"),
    ip: status?.podIP ?? "",
    restarts: (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0),
  };
}

function proxyStatus({ proxyId, isConnected, acknowledgedRevision, progress }: SessionStatus, engine: MeshEngine): ProxyStatus {
  const proxy = engine.mesh?.proxies.get(proxyId);
  return {
    id: proxyId,
    pod: proxy?.podName ?? proxyId,
    namespace: proxy?.namespace ?? "",
    type: proxy?.kind ?? "sidecar",
    connected: isConnected,
    acknowledgedRevision: acknowledgedRevision ?? 0,
    synced: isConnected && acknowledgedRevision !== undefined && progress.isAcknowledged,
    waiting: progress.obstacles.filter((obstacle) => !isByRefusal(obstacle)).map(rejectedResource),
    rejected: progress.obstacles.filter(isByRefusal).map(rejectedResource),
  };
}

type Obstacle = SessionStatus["progress"]["obstacles"][number];

/** A refusal or its consequence: only a correction helps. */
function isByRefusal({ kind }: Obstacle): boolean {
  return kind === "refused" || kind === "held_back";
}

function rejectedResource({ type, resource, message, sources, behind }: Obstacle): RejectedResource {
  return { type: type.toUpperCase(), name: resource, reason: message, sources, ...(behind === undefined ? {} : { behind }) };
}

function refusals({ proxyId, progress }: SessionStatus): readonly Diagnostic[] {
  return progress.obstacles
    .filter(({ kind }) => kind === "refused")
    .map(({ type, resource, message, sources }) => ({
      code: "LTN0903",
      severity: "error",
      resource: sources.join(", "),
      path: "",
      message: `proxy ${proxyId}: ${type.toUpperCase()} ${resource}: ${message}`,
      fix: "correct the object; the proxy keeps its last good version until then",
    }));
}

type Progress = ReturnType<AdsServer["revisionProgress"]>;

/** While a step of several is on its way all proxies lag behind, but only those are waited for that don't have this step. */
function acknowledgedReply({ revision, connected, acknowledged, lagging }: Progress, heldUpBy: readonly string[]): AcknowledgedReply {
  const refusing = lagging.filter(({ isSettled }) => isSettled);
  const waiting = lagging.filter((proxy) => !refusing.includes(proxy)).map(({ proxyId }) => proxyId);
  return {
    revision,
    acknowledged: lagging.length === refusing.length,
    total: connected,
    done: acknowledged,
    waitingFor: waiting.length > 0 && heldUpBy.length > 0 ? heldUpBy : waiting,
    rejected: lagging.flatMap(({ proxyId, obstacles }) =>
      obstacles.filter(isByRefusal).map((obstacle) => ({ proxy: proxyId, resource: rejectedResource(obstacle) })),
    ),
  };
}

// The checks of a preview step: HTTP requests to the candidate before anybody gets it, straight to the application of one of its ready pods, with the
// preview host as Host. Check actions -> results with the sentence that explains. A fresh pod that doesn't answer yet is asked again.

import type { Pod } from "../../api/kubernetes/pod.ts";
import type { Service } from "../../api/kubernetes/service.ts";
import type { Release } from "../../api/release/release.ts";
import type { CallReply } from "../../lib/pod-call.ts";
import type { CheckResult } from "../../release/observation.ts";
import type { Store } from "../../store/store.ts";
import type { CallPod } from "./call-pod.ts";
import type { SendChecks } from "./carry-out.ts";
import { readyPodsOf } from "./observed-versions.ts";

export interface PreviewChecksOptions {
  readonly store: Store;
  readonly callPod: CallPod;
  /** Waits; ends at once when nobody needs the results any more. */
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

/** A request without an answer by then failed (Kubernetes' probes wait 1 s; a first request may have to load much). */
const requestTimeoutMs = 5000;
/** A pod that is ready but doesn't answer yet is asked until then. */
const startUpMs = 30_000;
const retryMs = 1000;
/** A wrong answer three times in a row isn't the hiccup of a start. */
const mostAnswers = 3;

/** Sends checks one after another; the first that fails ends them. */
export function previewChecks(options: PreviewChecksOptions): SendChecks {
  return async (release, candidate, { checks, host }) => {
    const results: CheckResult[] = [];
    for (const check of checks) {
      const result = await checkOnce({ release, candidate, host, check }, options);
      results.push(result);
      if (!result.ok) break;
    }
    return results;
  };
}

interface Asked {
  readonly release: Release;
  readonly candidate: string;
  readonly host: string;
  readonly check: {
    readonly name: string;
    readonly method: string;
    readonly path: string;
    readonly port?: number | undefined;
    readonly status: number;
  };
}

async function checkOnce(asked: Asked, options: PreviewChecksOptions): Promise<CheckResult> {
  const { name, method, path, status: wanted } = asked.check;
  const giveUpAt = options.nowMs() + startUpMs;
  const what = `${method} ${path}`;
  for (let answers = 0; ; ) {
    const reply = await callCandidate(asked, options);
    if ("status" in reply) {
      const answered = `${what} answered ${reply.status}`;
      if (reply.status === wanted) return { name, ok: true, detail: answered };
      answers += 1;
      if (answers >= mostAnswers) return { name, ok: false, detail: `${answered}, expected ${wanted}` };
    } else if (options.nowMs() >= giveUpAt) {
      return { name, ok: false, detail: `${what} had no answer: ${reply.problem}` };
    }
    await options.sleep(retryMs);
  }
}

async function callCandidate({ release, candidate, host, check }: Asked, { store, callPod }: PreviewChecksOptions): Promise<CallReply> {
  const { namespace } = release.metadata;
  const snapshot = store.snapshot();
  const [pod] = readyPodsOf(release, candidate, snapshot);
  const service = snapshot.get("Service", namespace, release.spec.service);
  if (pod === undefined) return { problem: `${candidate} has no ready pod` };
  const wanted = check.port ?? release.spec.ports[0];
  const port = service === undefined ? undefined : applicationPort(service, pod, wanted);
  if (port === undefined) return { problem: `${release.spec.service} has no port${wanted === undefined ? "" : ` ${wanted}`}` };
  const call = { port, method: check.method.toUpperCase(), path: check.path, host, timeoutMs: requestTimeoutMs };
  return callPod({ namespace, name: pod.metadata.name }, call);
}

/** The container's port behind a Service's; a number that the Service doesn't have is the container's own. Without one the Service's first. */
function applicationPort({ spec }: Service, pod: Pod, wanted: number | undefined): number | undefined {
  const port = wanted === undefined ? spec.ports[0] : spec.ports.find((one) => one.port === wanted);
  if (port === undefined) return wanted;
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  return pod.spec.containers.flatMap(({ ports }) => ports).find(({ name }) => name === target)?.containerPort;
}

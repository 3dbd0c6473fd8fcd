// What a person named -> the container logs to show, or the one sentence that says what there is. Pure.

import { NotFound, UserError } from "../../lib/errors.ts";
import { type ContainerLog, proxyContainer } from "./log-files.ts";

/** Whether proxies' logs are among those of a workload. */
export type ProxyChoice = "with" | "only" | "without";

export interface WorkloadLogChoice {
  readonly namespace: string;
  readonly pods: readonly string[];
  readonly container: string | undefined;
  readonly proxy: ProxyChoice;
}

/** Logs of all these pods: every container, and the proxy as asked. */
export function workloadLogs(logs: readonly ContainerLog[], choice: WorkloadLogChoice): readonly ContainerLog[] {
  const pods = new Set(choice.pods);
  return logs.filter(({ namespace, pod, container }) => {
    if (namespace !== choice.namespace || !pods.has(pod)) return false;
    if (choice.container !== undefined) return container === choice.container;
    return choice.proxy === "with" || (container === proxyContainer) === (choice.proxy === "only");
  });
}

export interface LogChoice {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string | undefined;
  readonly allContainers: boolean;
}

/** The logs meant. @throws NotFound or UserError that names what exists. */
export function chooseLogs(logs: readonly ContainerLog[], choice: LogChoice): readonly ContainerLog[] {
  const ofPod = logs.filter(({ namespace, pod }) => namespace === choice.namespace && pod === choice.pod);
  if (ofPod.length === 0) throw noSuchPod(logs, choice);
  if (choice.allContainers) return ofPod;
  if (choice.container !== undefined) {
    const named = ofPod.filter(({ container }) => container === choice.container);
    if (named.length > 0) return named;
    throw new NotFound(`pod ${choice.namespace}/${choice.pod} has no log of a container ${choice.container}`, {
      fix: `choose one of: ${ofPod.map(({ container }) => container).join(", ")}`,
    });
  }
  const programs = ofPod.filter(({ container }) => container !== proxyContainer);
  if (programs.length > 1) {
    throw new UserError(`pod ${choice.namespace}/${choice.pod} has several containers`, {
      fix: `choose one with -c, or all with --all-containers: ${ofPod.map(({ container }) => container).join(", ")}`,
    });
  }
  return programs.length === 1 ? programs : ofPod;
}

function noSuchPod(logs: readonly ContainerLog[], { namespace, pod }: LogChoice): NotFound {
  const message = `there is no log of a pod ${pod} in namespace ${namespace}`;
  const elsewhere = [...new Set(logs.filter((log) => log.pod === pod).map((log) => log.namespace))];
  if (elsewhere.length === 1) return new NotFound(message, { fix: `it is in another namespace: add -n ${elsewhere[0]}` });
  const here = [...new Set(logs.filter((log) => log.namespace === namespace).map((log) => log.pod))];
  if (here.length > 0) return new NotFound(message, { fix: `pods of namespace ${namespace} with logs: ${here.join(", ")}` });
  const namespaces = [...new Set(logs.map((log) => log.namespace))];
  const fix =
    namespaces.length === 0 ? "no pod has been started yet; see `lateen status`" : `namespaces with logs: ${namespaces.join(", ")}`;
  return new NotFound(message, { fix });
}

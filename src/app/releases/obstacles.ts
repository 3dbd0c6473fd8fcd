// What keeps a Release from doing anything, or a pod from being of any version: sentences for whoever looks at a Release that is silent. Pure.

import type { Release } from "../../api/release/release.ts";
import { rulingRelease } from "../../api/release/ruling.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { isActive } from "../../platform/controllers/pods.ts";
import { listWords } from "../../release/sentences.ts";
import { isByPods, servicePods } from "./observed-versions.ts";

/** None where everything is as it should be. */
export function obstaclesOf(release: Release, snapshot: Snapshot): readonly string[] {
  const { metadata, spec } = release;
  const { namespace } = metadata;
  const service = snapshot.get("Service", namespace, spec.service);
  if (service === undefined) return [`namespace ${namespace} has no Service "${spec.service}", so there is nothing to release`];
  const ruling = rulingRelease(release, snapshot.list("Release", namespace));
  if (ruling !== release)
    return [`Service ${spec.service} is the older release ${ruling.metadata.name}'s, so this one decides nothing until that is gone`];
  if (Object.keys(service.spec.selector).length === 0) return [`Service ${spec.service} has no selector, so no pod is of any version`];
  return isByPods(release) ? [] : unnamedPods(release, snapshot);
}

/** Pods without the label are of no version; once there is a stable one they get nothing, which looks like a lost deployment. */
function unnamedPods(release: Release, snapshot: Snapshot): readonly string[] {
  const { service, versions } = release.spec;
  const pods = servicePods(release, snapshot).filter(isActive);
  const unnamed = pods.filter(({ metadata }) => metadata.labels[versions.label] === undefined).map(({ metadata }) => metadata.name);
  if (unnamed.length === 0) return [];
  const label = `the label ${versions.label}, which names versions`;
  if (unnamed.length === pods.length) return [`no pod of Service ${service} has ${label}`];
  const many = unnamed.length > 1;
  return [`${listWords(unnamed.toSorted())} ${many ? "lack" : "lacks"} ${label}, so ${many ? "they get" : "it gets"} no requests`];
}

// Several Releases for one Service -> the one that has a say: the oldest, so that a newcomer never takes over a run under way.

import type { Release } from "./release.ts";

/** The Release that decides among those of the same Service: the oldest, of equally old ones the first by name; itself where it is alone. */
export function rulingRelease(release: Release, all: readonly Release[]): Release {
  return all.reduce((best, other) => (isOfSameService(other, release) && isBefore(other, best) ? other : best), release);
}

function isOfSameService({ metadata, spec }: Release, other: Release): boolean {
  return spec.service === other.spec.service && metadata.namespace === other.metadata.namespace;
}

function isBefore({ metadata: a }: Release, { metadata: b }: Release): boolean {
  return a.creationTimestamp === b.creationTimestamp ? a.name < b.name : a.creationTimestamp < b.creationTimestamp;
}

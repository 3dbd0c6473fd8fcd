// What a Release's status holds besides what people read: the engine's state, and what people asked for that it hasn't handled yet. Both are checked when
// they are read: the store may hold what another version wrote.

import { z } from "zod";
import type { Release } from "../../api/release/release.ts";
import { NotFound } from "../../lib/errors.ts";
import type { PersonInput } from "../../release/observation.ts";
import { firstState, type ReleaseState, releaseStateSchema } from "../../release/state.ts";
import type { PublicStatus } from "../../release/status.ts";
import type { Store } from "../../store/store.ts";

const personInputSchema = z.object({
  seq: z.number().int(),
  type: z.enum(["promote", "abort", "pause", "resume", "set-weight", "undo", "retry"]),
  actor: z.string(),
  reason: z.string(),
  percent: z.number().optional(),
  full: z.boolean().optional(),
  force: z.boolean().optional(),
});

export interface StoredRelease {
  readonly state: ReleaseState;
  /** In order of their numbers; handled ones may be among them. */
  readonly inputs: readonly PersonInput[];
}

const known = new WeakMap<Release, StoredRelease>();

/** Reads a Release's status; what can't be read counts as never written, so that the run begins anew instead of never going on. */
export function storedReleaseOf(release: Release): StoredRelease {
  const before = known.get(release);
  if (before !== undefined) return before;
  const state = releaseStateSchema.safeParse(release.status?.["engine"]);
  const inputs = z.array(personInputSchema).safeParse(release.status?.["inputs"]);
  const stored: StoredRelease = { state: state.data ?? firstState, inputs: (inputs.data ?? []).map(withoutUndefined) };
  known.set(release, stored);
  return stored;
}

/** The status to write. */
export function statusOf(shown: PublicStatus, { state, inputs }: StoredRelease): Readonly<Record<string, unknown>> {
  const waiting = inputs.filter(({ seq }) => seq > state.lastInput);
  return { ...shown, ...(waiting.length === 0 ? {} : { inputs: waiting }), engine: state };
}

/** The number that the next input gets. */
export function nextInput({ state, inputs }: StoredRelease): number {
  return Math.max(state.lastInput, ...inputs.map(({ seq }) => seq)) + 1;
}

/** With the namespace where one of that name is, if there is. */
export function noRelease(store: Pick<Store, "list">, namespace: string, name: string): NotFound {
  const other = store.list("Release").find((stored) => stored.name === name);
  const fix =
    other === undefined ? "`lateen release list -A` shows all" : `there is one in namespace ${other.namespace}: -n ${other.namespace}`;
  return new NotFound(`there is no release ${namespace}/${name}`, { fix });
}

function withoutUndefined({ percent, full, force, ...input }: z.output<typeof personInputSchema>): PersonInput {
  return {
    ...input,
    ...(percent === undefined ? {} : { percent }),
    ...(full === undefined ? {} : { full }),
    ...(force === undefined ? {} : { force }),
  };
}

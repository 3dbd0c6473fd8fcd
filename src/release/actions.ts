// What a decision wants done. Each action says the whole wish and bears an id, so that doing it twice is the same as doing it once.

import { z } from "zod";
import { exposureSchema } from "./exposure.ts";

const id = z.string();

export const actionSchema = z
  .discriminatedUnion("type", [
    /** Make this the exposure, and report acknowledgements of `move`. A later move replaces it. */
    z.object({ type: z.literal("expose"), id, move: z.number(), stable: z.string(), candidate: z.string(), exposure: exposureSchema }),
    /** Send these requests to the preview host and report the results under the id. */
    z.object({
      type: z.literal("check"),
      id,
      host: z.string(),
      checks: z
        .array(z.object({ name: z.string(), method: z.string(), path: z.string(), port: z.number().optional(), status: z.number() }))
        .readonly(),
    }),
    /** Let the Deployment's own update run, or take it back. */
    z.object({ type: z.literal("rollout"), id, kind: z.enum(["rolling", "recreate"]), direction: z.enum(["forward", "undo"]) }),
    /** Replicas of a version whose Deployment opted in. */
    z.object({ type: z.literal("scale"), id, version: z.string(), replicas: z.number() }),
    /** Tell: an Event on Release and Service, the webhook, the console. */
    z.object({ type: z.literal("event"), id, reason: z.string(), message: z.string() }),
  ])
  .readonly();

export type Action = z.infer<typeof actionSchema>;

type WithoutId<T> = T extends Action ? Omit<T, "id"> : never;

/** An action before it has its id. */
export type NewAction = WithoutId<Action>;

/** Events that nobody took are dropped, oldest first, before they fill the object. */
const mostEvents = 100;

/** The outbox with one more action: a later move replaces an earlier one. */
export function withAction(outbox: readonly Action[], action: Action): readonly Action[] {
  const kept = action.type === "expose" ? outbox.filter(({ type }) => type !== "expose") : outbox;
  const events = kept.filter(({ type }) => type === "event").length;
  const oldest = events < mostEvents ? undefined : kept.find(({ type }) => type === "event");
  return [...kept.filter((one) => one !== oldest), action];
}

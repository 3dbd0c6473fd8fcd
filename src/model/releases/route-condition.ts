// What a release asks of a request before it takes the request's route: conditions on the request alone, of people and of cohorts.

import type { Audience } from "../../api/release/audience.ts";

/** The part of an Audience that a request itself fulfils. */
export type RouteCondition = Partial<Omit<Audience, "sourceLabels" | "sourceNamespace">>;

// The demo's visitors as users: who sends a request, and which version of catalog each user saw. In: request numbers and answers' hops. Out: counts.

import { type Hop, noVersion } from "./answer.ts";

/** As many users, so that each comes back every few seconds. */
export const userCount = 400;
/** One user in so many is a tester. */
const testerEvery = 20;
/** Prime to the count: users come in a mixed order, each as often as the others. */
const stride = 157;

/** The user of request `index`, from 0. */
export function userOf(index: number): number {
  return (index * stride) % userCount;
}

/** Testers send the shop's testers' header. */
export function isTester(user: number): boolean {
  return user % testerEvery === 0;
}

/** What tells the user of a request apart: a cookie, and for testers their header. */
export function userHeaders(index: number): Readonly<Record<string, string>> {
  const user = userOf(index);
  return { cookie: `shop-user=u${user}`, ...(isTester(user) ? { "x-shop-tester": "yes" } : {}) };
}

export interface SeenBy {
  /** Requests of these people that a version answered, by version. */
  readonly requests: ReadonlyMap<string, number>;
  /** How many of them saw a version, by version. */
  readonly users: ReadonlyMap<string, number>;
}

export class UserVersions {
  readonly #service: string;
  #requests = new Map<string, number>();
  #users = new Map<string, Set<number>>();
  readonly #last = new Map<number, string>();
  readonly #changes = new Map<string, number>();
  #sent = 0;
  #from = 0;

  /** @param service whose versions are followed. */
  constructor(service: string) {
    this.#service = service;
  }

  /** A request goes out now. */
  sent(index: number): void {
    this.#sent = index;
  }

  record(hops: readonly Hop[], index: number): void {
    const hop = hops.find(({ service }) => service === this.#service);
    // What was sent before says nothing of what holds now.
    if (hop === undefined || index <= this.#from || hop.failed || hop.version === noVersion) return;
    const user = userOf(index);
    const key = keyOf(isTester(user), hop.version);
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
    this.#users.set(key, (this.#users.get(key) ?? new Set()).add(user));
    const before = this.#last.get(user);
    if (before !== undefined && before !== hop.version) this.#changes.set(hop.version, (this.#changes.get(hop.version) ?? 0) + 1);
    this.#last.set(user, hop.version);
  }

  /** Counts requests that are sent from now on; who saw what last stays known. */
  restart(): void {
    this.#requests = new Map();
    this.#users = new Map();
    this.#changes.clear();
    this.#from = this.#sent;
  }

  /** Testers, or everybody else. */
  seenBy(testers: boolean): SeenBy {
    const of = (key: string) => key.startsWith(testers ? "tester " : "other ");
    const version = (key: string) => key.split(" ")[1] ?? "";
    return {
      requests: new Map([...this.#requests].filter(([key]) => of(key)).map(([key, count]) => [version(key), count])),
      users: new Map([...this.#users].filter(([key]) => of(key)).map(([key, users]) => [version(key), users.size])),
    };
  }

  /** How often a user who had another version came to this one. */
  changesTo(version: string): number {
    return this.#changes.get(version) ?? 0;
  }
}

function keyOf(tester: boolean, version: string): string {
  return `${tester ? "tester" : "other"} ${version}`;
}

// The rows of `lateen release …`.

import type { PersonInput } from "../../release/observation.ts";
import type { Command, CommandOption } from "../command.ts";
import { namespaceOption, outputOption } from "./common-options.ts";

const releaseArgument = { name: "<release>", description: "name of the Release" } as const;
const waitOptions: readonly CommandOption[] = [
  { flags: "--wait", description: "wait until it is decided: exits 0 promoted, 70 went back, 75 a person is asked, 124 timed out" },
  { flags: "--timeout <duration>", description: "how long to wait", default: "1h" },
];

const askOptions: readonly CommandOption[] = [
  namespaceOption,
  { flags: "--reason <text>", description: "why; kept with the run" },
  { flags: "--as <name>", description: "who asks (default: the user of this machine)" },
];

const asks: readonly {
  readonly type: PersonInput["type"];
  readonly summary: string;
  readonly more?: readonly CommandOption[];
  readonly value?: { readonly name: string; readonly description: string };
}[] = [
  {
    type: "promote",
    summary: "go on to the next step now, or with --full to the end",
    more: [
      { flags: "--full", description: "skip all steps that are left" },
      { flags: "--force", description: "also in a freeze window" },
      ...waitOptions,
    ],
  },
  { type: "pause", summary: "stay at the present share until somebody resumes" },
  { type: "resume", summary: "go on after a pause", more: waitOptions },
  {
    type: "set-weight",
    summary: "another share for the present step",
    value: { name: "<percent>", description: "0 to 100" },
    more: [{ flags: "--force", description: "also in a freeze window" }],
  },
  { type: "abort", summary: "send the new version back", more: waitOptions },
  { type: "undo", summary: "take a promotion back while the old version is warm", more: waitOptions },
  {
    type: "retry",
    summary: "start a version anew that went back",
    more: [{ flags: "--force", description: "also in a freeze window" }, ...waitOptions],
  },
];

const askCommands = asks.map(
  ({ type, summary, more = [], value }): Command => ({
    name: `release ${type}`,
    onRunningMesh: true,
    summary,
    args: [releaseArgument, ...(value === undefined ? [] : [value])],
    options: [...askOptions, ...more],
    load: async () => (await import("./release-ask.ts")).releaseInputCommand(type),
  }),
);

export const releaseCommands: readonly Command[] = [
  {
    name: "release start",
    onRunningMesh: true,
    summary: "make a Release for a service: from now on a newer version gets its traffic by steps",
    args: [{ name: "<service>", description: "name of the Service" }],
    options: [
      namespaceOption,
      {
        flags: "--strategy <name>",
        description: "canary, blueGreen, abTest, shadow, darkLaunch, graduated, featureToggle, rolling or recreate",
        default: "canary",
      },
      { flags: "--steps <percents>", description: "weights in place of the strategy's own steps: 1,10,50,100" },
      { flags: "--for <duration>", description: "shortest time of each of --steps (default: 30s)" },
      { flags: "--margin <margin>", description: 'errors tolerated beyond stable\'s: "+0.02", "2x", "1.5x+0.001"' },
      { flags: "--sticky <cookie>", description: "users stay with their version, told apart by this cookie" },
      { flags: "-o, --output <format>", description: "text, or yaml: print the object and make nothing", default: "text" },
      ...waitOptions,
    ],
    examples: [
      "lateen release start catalog -n shop --steps 1,10,50 --margin +0.02",
      "lateen release start web --strategy blueGreen -o yaml",
    ],
    load: async () => (await import("./release-plan.ts")).runReleaseStart,
  },
  {
    name: "release plan",
    onRunningMesh: true,
    summary: "steps, exposure, the smallest harm that will be found, and how long it takes at the traffic of now",
    args: [releaseArgument],
    options: [namespaceOption, { flags: "-o, --output <format>", description: "text or json", default: "text" }],
    load: async () => (await import("./release-plan.ts")).runReleasePlan,
  },
  {
    name: "release list",
    onRunningMesh: true,
    summary: "all releases and where they are",
    options: [
      namespaceOption,
      { flags: "-A, --all-namespaces", description: "all namespaces" },
      { flags: "-o, --output <format>", description: "table, json or name", default: "table" },
    ],
    load: async () => (await import("./release-show.ts")).runReleaseList,
  },
  {
    name: "release get",
    onRunningMesh: true,
    summary: "one release as a tree of its steps",
    args: [releaseArgument],
    options: [
      namespaceOption,
      { flags: "-w, --watch", description: "draw it again as it changes" },
      { flags: "-o, --output <format>", description: "tree or json", default: "tree" },
    ],
    load: async () => (await import("./release-show.ts")).runReleaseGet,
  },
  {
    name: "release status",
    onRunningMesh: true,
    summary: "where it is, as an exit code: 0 promoted or idle, 70 went back, 75 a person is asked",
    args: [releaseArgument],
    options: [namespaceOption, ...waitOptions, { flags: "-o, --output <format>", description: "tree or json", default: "tree" }],
    examples: ["lateen release status catalog -n shop --wait --timeout 10m"],
    load: async () => (await import("./release-show.ts")).runReleaseStatus,
  },
  {
    name: "release why",
    onRunningMesh: true,
    summary: "the present or last run in sentences: what was decided, when, by whom and why",
    args: [releaseArgument],
    options: [namespaceOption, { flags: "-o, --output <format>", description: "text or json", default: "text" }],
    load: async () => (await import("./release-show.ts")).runReleaseWhy,
  },
  {
    name: "release history",
    onRunningMesh: true,
    summary: "all runs of a release",
    args: [releaseArgument],
    options: [namespaceOption, outputOption],
    load: async () => (await import("./release-show.ts")).runReleaseHistory,
  },
  {
    name: "release replay",
    onRunningMesh: true,
    summary: "judge a recorded run again with other settings",
    args: [{ name: "<run>", description: "name of the ReleaseRun (release history lists them)" }],
    options: [
      namespaceOption,
      { flags: "--margin <margin>", description: '"2x", "+0.02" or "1.5x+0.001" for every metric' },
      { flags: "--false-alarm <chance>", description: "between 0 and 1" },
      { flags: "-o, --output <format>", description: "text or json", default: "text" },
    ],
    examples: ["lateen release replay catalog-2 --margin 2x -n shop"],
    load: async () => (await import("./release-plan.ts")).runReleaseReplay,
  },
  ...askCommands,
];

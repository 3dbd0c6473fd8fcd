// Freeze windows: is a moment within one, and when does it end? Cron times of the user's wall clock, by Intl, so summer time is right.

import { isCronMinute, parseCron, type WallMinute } from "../api/release/cron.ts";
import type { ReleaseSpec } from "../api/release/release.ts";

const minuteMs = 60_000;
const weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** The deny window that holds at `now` and ends last, with its end in milliseconds; undefined outside of all. Invalid ones are left to the checks. */
export function freezeAt(windows: ReleaseSpec["windows"], now: number): { readonly cron: string; readonly until: number } | undefined {
  const open = windows.deny.flatMap(({ cron, for: lengthMs }) => {
    const until = endOf(cron, { lengthMs, timezone: windows.timezone, now });
    return until === undefined ? [] : [{ cron, until }];
  });
  return open.toSorted((a, b) => b.until - a.until)[0];
}

interface Look {
  readonly lengthMs: number;
  readonly timezone: string;
  readonly now: number;
}

/** Looks back minute by minute for the latest beginning that still holds; answers are kept, since a second later they are the same. */
function endOf(text: string, look: Look): number | undefined {
  const cron = parseCron(text);
  if (cron === undefined) return undefined;
  const thisMinute = Math.floor(look.now / minuteMs) * minuteMs;
  const key = `${text}|${look.timezone}|${look.lengthMs}|${thisMinute}`;
  const known = answers.get(key);
  // A window that began in this very minute or before ends at a full minute plus its length, so the second doesn't matter but for its end.
  if (known !== undefined) return known > look.now ? known : undefined;
  const until = latestStart(thisMinute, look, (at) => isCronMinute(cron, at)) + look.lengthMs;
  if (answers.size >= mostAnswers) answers.clear();
  answers.set(key, until);
  return until > look.now ? until : undefined;
}

/** The arguments are the whole key; a few releases ask again each second. */
const answers = new Map<string, number>();
const mostAnswers = 1000;

function latestStart(thisMinute: number, { lengthMs, timezone }: Look, matches: (at: WallMinute) => boolean): number {
  const wall = wallOf(timezone);
  for (let at = thisMinute; at > thisMinute - lengthMs - minuteMs; at -= minuteMs) if (matches(wall(at))) return at;
  return Number.NEGATIVE_INFINITY;
}

/** Asking Intl costs microseconds, so once per hour: offsets change at full quarters only, which an hour's four quarters are asked for. */
function wallOf(timezone: string): (at: number) => WallMinute {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    weekday: "short",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  const quarterMs = 15 * minuteMs;
  let quarter = Number.NaN;
  let wall: WallMinute = { minute: 0, hour: 0, day: 1, month: 1, weekday: 0 };
  return (at) => {
    const start = Math.floor(at / quarterMs) * quarterMs;
    if (start !== quarter) {
      quarter = start;
      const parts = Object.fromEntries(format.formatToParts(start).map(({ type, value }) => [type, value]));
      const number = (name: string) => Number(parts[name] ?? 0);
      wall = {
        minute: number("minute"),
        hour: number("hour"),
        day: number("day"),
        month: number("month"),
        weekday: weekdays.indexOf(parts["weekday"] ?? ""),
      };
    }
    return { ...wall, minute: wall.minute + (at - start) / minuteMs };
  };
}

// Cron times of freeze windows: five fields -> sets of numbers. Standard cron: lists, ranges, steps, names; Sunday is 0 or 7; when both days are
// restricted, either will do. No library: what is needed is only "does this minute match", on the fields of a wall clock.

/** Sets of the five fields; `undefined` where the field is "*". */
export interface Cron {
  readonly minute: ReadonlySet<number> | undefined;
  readonly hour: ReadonlySet<number> | undefined;
  readonly day: ReadonlySet<number> | undefined;
  readonly month: ReadonlySet<number> | undefined;
  /** 0 is Sunday. */
  readonly weekday: ReadonlySet<number> | undefined;
}

/** What a wall clock shows. */
export interface WallMinute {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  /** 1 is January. */
  readonly month: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

interface FieldRule {
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const rules = {
  minute: { low: 0, high: 59, names: [] },
  hour: { low: 0, high: 23, names: [] },
  day: { low: 1, high: 31, names: [] },
  month: { low: 1, high: 12, names: monthNames },
  weekday: { low: 0, high: 7, names: weekdayNames },
} as const satisfies Readonly<Record<keyof Cron, FieldRule>>;

/** Reads "0 18 * * FRI"; undefined when it is no cron time, or one that never comes (30 February). */
export function parseCron(text: string): Cron | undefined {
  const fields = text.trim().split(/\s+/);
  const [minute, hour, day, month, weekday] = fields;
  if (fields.length !== 5 || minute === undefined || hour === undefined || day === undefined) return undefined;
  if (month === undefined || weekday === undefined) return undefined;
  const parsed = {
    minute: parseField(minute, rules.minute),
    hour: parseField(hour, rules.hour),
    day: parseField(day, rules.day),
    month: parseField(month, rules.month),
    weekday: parseField(weekday, rules.weekday),
  };
  const { minute: minutes, hour: hours, day: days, month: months, weekday: weekdays } = parsed;
  if (minutes === null || hours === null || days === null || months === null || weekdays === null) return undefined;
  const cron: Cron = { minute: minutes, hour: hours, day: days, month: months, weekday: withSunday(weekdays) };
  return canCome(cron) ? cron : undefined;
}

/** Whether the minute is one of the cron's. */
export function isCronMinute(cron: Cron, at: WallMinute): boolean {
  const holds = (set: ReadonlySet<number> | undefined, value: number) => set === undefined || set.has(value);
  if (!holds(cron.minute, at.minute) || !holds(cron.hour, at.hour) || !holds(cron.month, at.month)) return false;
  if (cron.day !== undefined && cron.weekday !== undefined) return cron.day.has(at.day) || cron.weekday.has(at.weekday);
  return holds(cron.day, at.day) && holds(cron.weekday, at.weekday);
}

/** null: no field. */
function parseField(text: string, rule: FieldRule): ReadonlySet<number> | undefined | null {
  if (text === "*") return undefined;
  const result = new Set<number>();
  for (const part of text.split(",")) {
    const values = parsePart(part, rule);
    if (values === null) return null;
    for (const value of values) result.add(value);
  }
  return result;
}

function parsePart(text: string, rule: FieldRule): readonly number[] | null {
  const match = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return null;
  const [, all, first, last, every] = match;
  const step = every === undefined ? 1 : Number(every);
  const low = all === undefined ? numberOf(first ?? "", rule) : rule.low;
  const to = all !== undefined || (last === undefined && every !== undefined) ? rule.high : last === undefined ? low : numberOf(last, rule);
  if (low === undefined || to === undefined || step < 1 || to < low) return null;
  return Array.from({ length: Math.floor((to - low) / step) + 1 }, (_, index) => low + index * step);
}

function numberOf(text: string, { low, high, names }: FieldRule): number | undefined {
  const named = names.indexOf(text.toUpperCase());
  if (named >= 0) return named + low;
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= low && value <= high ? value : undefined;
}

function withSunday(weekdays: ReadonlySet<number> | undefined): ReadonlySet<number> | undefined {
  return weekdays === undefined ? undefined : new Set([...weekdays].map((day) => day % 7));
}

const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function canCome({ day, month, weekday }: Cron): boolean {
  if (day === undefined || weekday !== undefined) return true;
  const earliest = Math.min(...day);
  return longestMonths.some((length, index) => (month === undefined || month.has(index + 1)) && earliest <= length);
}

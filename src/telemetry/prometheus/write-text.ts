// Families → Prometheus text, line by line, in the format that the scraper asked for. Whatever stands in a label comes out as one label.

import { type Family, labelName, metricName, type TextSample } from "./family.ts";

export type TextFormat = "prometheus" | "openmetrics";

/** The Content-Type of each format. */
export const contentTypes: Readonly<Record<TextFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The format for an Accept header: OpenMetrics when it is asked for and not less than plain text; otherwise what every Prometheus reads. */
export function formatFor(accept: string | undefined): TextFormat {
  let [openMetrics, plain] = [0, 0];
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const quality = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
    const version = parameters.find((parameter) => parameter.startsWith("version="))?.slice("version=".length);
    if (!(quality > 0)) continue;
    if (type === "application/openmetrics-text" && (version === undefined || version === "1.0.0" || version === "0.0.1")) {
      openMetrics = Math.max(openMetrics, quality);
    }
    if (type === "text/plain") plain = Math.max(plain, quality);
  }
  return openMetrics > 0 && openMetrics >= plain ? "openmetrics" : "prometheus";
}

/** The text in pieces, a family each, so that a large one needn't be in memory at once. Families and labels with impossible names are left out. */
export function* writeText(families: Iterable<Family>, format: TextFormat): Generator<string> {
  for (const family of families) {
    if (metricName.test(family.name) && family.samples.length > 0) yield familyText(family, format);
  }
  if (format === "openmetrics") yield "# EOF\n";
}

function familyText(family: Family, format: TextFormat): string {
  const lines = family.samples.filter(({ name }) => metricName.test(name)).map((sample) => `${sampleText(sample, format)}\n`);
  return headText(family, format) + lines.join("");
}

/** HELP and TYPE of a family. */
export function headText(family: Family, format: TextFormat): string {
  const { name, type } = headOf(family, format);
  const help = family.help === undefined ? "" : `# HELP ${name} ${escapeHelp(family.help, format)}\n`;
  return `${help}# TYPE ${name} ${type}\n`;
}

/**
 * OpenMetrics names a counter's family without "_total", which all its samples must end with. Envoy's own counters don't: they are of unknown type
 * there, so that a series has the same name in both formats.
 */
function headOf({ name, type, samples }: Family, format: TextFormat): { readonly name: string; readonly type: string } {
  if (format === "prometheus") {
    // OpenMetrics' counters may come from an application; 0.0.4 knows them by the sample's name.
    const isBare = type === "counter" && !name.endsWith("_total") && samples.every((sample) => sample.name === `${name}_total`);
    return { name: isBare ? `${name}_total` : name, type: type === "unknown" ? "untyped" : type };
  }
  if (type !== "counter") return { name, type };
  const bare = name.replace(/_total$/, "");
  const isSound = samples.every((sample) => sample.name === `${bare}_total` || sample.name === `${bare}_created`);
  return isSound ? { name: bare, type } : { name, type: "unknown" };
}

function sampleText({ name, labels, value, timestampMs }: TextSample, format: TextFormat): string {
  // A label that is "" is a label that isn't there.
  const pairs = labels
    .filter(([label, text]) => labelName.test(label) && text !== "")
    .map(([label, text]) => `${label}="${escapeValue(text)}"`);
  const time = timestampMs === undefined ? "" : ` ${format === "openmetrics" ? timestampMs / 1000 : timestampMs}`;
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${numberText(value)}${time}`;
}

/** A label's value as it stands between quotes. */
export function escapeValue(text: string): string {
  return text.replace(/["\\\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}

function escapeHelp(text: string, format: TextFormat): string {
  const escaped = text.replace(/[\\\n]/g, (character) => (character === "\n" ? "\\n" : "\\\\"));
  return format === "openmetrics" ? escaped.replaceAll('"', '\\"') : escaped;
}

/** As Prometheus writes numbers. */
export function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return String(value);
}

// The shipped files say what the program prints and what proxies count; promtool reads them in test/slow/prometheus.test.ts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { prometheusConfig } from "../../src/app/telemetry/prometheus-setup.ts";
import { standardLabels, standardMetrics } from "../../src/telemetry/standard-metrics.ts";

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

test("prometheus.yml is what lateen dashboard prints", () => {
  const ruleFiles = ["recording-rules.yml", "alerts.yml"];
  expect(parse(read("prometheus.yml"))).toEqual(parse(prometheusConfig({ metricsPort: 15_014, ruleFiles, perPod: false })));
});

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
}

const rulesOf = (name: string): readonly Rule[] =>
  (parse(read(name)) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);

test.each(["recording-rules.yml", "alerts.yml"])("the rules of %s name series and labels that there are", (name) => {
  const series = new Set<string>(
    standardMetrics.flatMap((metric) => [metric.name, `${metric.name}_bucket`, `${metric.name}_sum`, `${metric.name}_count`]),
  );
  const labels = new Set<string>([...standardLabels, "le", "instance", "pod", "node"]);
  for (const { expr } of rulesOf(name)) {
    for (const [metric] of expr.matchAll(/(?<![\w:])istio_\w+/g)) expect(series).toContain(metric);
    for (const [, group = ""] of expr.matchAll(/(?:by|without) \(([^)]*)\)/g))
      for (const label of group.split(/,\s*/)) expect(labels).toContain(label);
    for (const [, matchers = ""] of expr.matchAll(/\{([^}]*)\}/g)) {
      for (const [, label = ""] of matchers.matchAll(/(\w+)\s*[!=]/g)) expect(new Set([...labels, "job"])).toContain(label);
    }
  }
});

test("alerts read only recorded series that there are", () => {
  const recorded = new Set(rulesOf("recording-rules.yml").map(({ record }) => record));
  for (const { expr } of rulesOf("alerts.yml"))
    for (const [used] of expr.matchAll(/\b(?:service|workload|edge):\w+:\w+/g)) expect(recorded).toContain(used);
});

import { expect, test } from "vitest";
import { printPath } from "../../lib/field-path.ts";
import { parseMeshConfig } from "../mesh-config.ts";
import { notYetFindings } from "../not-yet.ts";
import { parseYaml } from "../yaml.ts";
import { telemetryKinds } from "./kinds.ts";

/** "LTN1201 spec.tracing[0]" of every finding. */
function findings(spec: string): readonly string[] {
  const [document] = parseYaml(`{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: a}, spec: ${spec}}`, "x.yaml");
  expect(document?.findings).toEqual([]);
  const { notYet } = telemetryKinds.Telemetry;
  return [...telemetryKinds.Telemetry.read(document?.value).findings, ...notYetFindings(document?.value, notYet)].map(
    ({ code, path }) => `${code} ${printPath(path)}`,
  );
}

const tag = (source: string) => `{tracing: [{customTags: {t: ${source}}}]}`;
const at = "spec.tracing[0].customTags.t";
const override = (fields: string) => `{metrics: [{overrides: [{${fields}}]}]}`;
const unread = "LTN0109 spec.metrics[0].overrides";

test.each<[string, ...string[]]>([
  ["{}"],
  ["{tracing: [], accessLogging: [], metrics: []}"],
  ["{selector: {matchLabels: {app: web}}, accessLogging: [{match: {mode: SERVER}, providers: [{name: envoy}], disabled: true}]}"],
  ["{selector: {matchLabels: {'a b': c}}}", 'LTN0106 spec.selector.matchLabels["a b"]'],
  ["{targetRef: {kind: Service, name: a}}", "LTN1201 spec.targetRef"],
  ["{targetRefs: [{kind: Gateway, name: a}]}", "LTN1201 spec.targetRefs"],
  ["{tracing: [{randomSamplingPercentage: 100}, {randomSamplingPercentage: 0}, {randomSamplingPercentage: 0.01}]}"],
  ["{tracing: [{randomSamplingPercentage: 101}]}", "LTN0105 spec.tracing[0].randomSamplingPercentage"],
  ["{tracing: [{randomSamplingPercentage: -1}]}", "LTN0105 spec.tracing[0].randomSamplingPercentage"],
  ["{tracing: [{randomSamplingPercentage: 0.001}]}", "LTN0105 spec.tracing[0].randomSamplingPercentage"],
  ["{tracing: [{randomSamplingPercent: 1}]}", "LTN0101 spec.tracing[0].randomSamplingPercent"],
  ["{tracing: [{match: {mode: BOTH}}]}", "LTN0104 spec.tracing[0].match.mode"],
  ["{tracing: [{useRequestIdForTraceSampling: true, enableIstioTags: true, disableContextPropagation: false}]}"],
  ["{tracing: [{useRequestIdForTraceSampling: false}]}", "LTN0109 spec.tracing[0].useRequestIdForTraceSampling"],
  ["{tracing: [{providers: [{name: ''}]}]}", "LTN0105 spec.tracing[0].providers[0].name"],
  [tag("{literal: {value: a}}")],
  [tag("{environment: {name: HOME, defaultValue: b}}")],
  [tag("{header: {name: x-user}}")],
  [tag("{header: {name: ':path'}}")],
  [tag("{formatter: {value: '%REQ(x-user)% at %START_TIME%'}}")],
  [tag("{}"), `LTN1201 ${at}`],
  [tag("{literal: {value: a}, header: {name: b}}"), `LTN1201 ${at}`],
  [tag("{header: {name: 'a b'}}"), `LTN0213 ${at}.header.name`],
  [tag("{formatter: {value: '%NOTHING%'}}"), `LTN1201 ${at}.formatter.value`],
  [tag("{literal: {value: ''}}"), `LTN0105 ${at}.literal.value`],
  ["{accessLogging: [{filter: {expression: 'response.code >= 400'}}]}", "LTN0109 spec.accessLogging[0].filter.expression"],
  [override("match: {metric: REQUEST_COUNT}, disabled: true"), unread],
  [override("tagOverrides: {a: {value: b}, c: {operation: REMOVE}}"), unread],
  [override("match: {metric: REQUEST_COUNT, customMetric: a}"), "LTN1201 spec.metrics[0].overrides[0].match", unread],
  [override("tagOverrides: {a: {}}"), "LTN1201 spec.metrics[0].overrides[0].tagOverrides.a", unread],
  [override("tagOverrides: {a: {operation: REMOVE, value: b}}"), "LTN1201 spec.metrics[0].overrides[0].tagOverrides.a", unread],
  ["{metrics: [{reportingInterval: 5s}]}", "LTN0109 spec.metrics[0].reportingInterval"],
  ["{metrics: [{reportingInterval: 5}]}", "LTN0107 spec.metrics[0].reportingInterval", "LTN0109 spec.metrics[0].reportingInterval"],
])("Telemetry %s", (spec, ...expected) => expect(findings(spec)).toEqual(expected));

const provider = (fields: string) => `{extensionProviders: [{name: p, ${fields}}]}`;
const first = "data.mesh.extensionProviders[0]";

test.each<[string, ...string[]]>([
  ["{accessLogFile: '', accessLogEncoding: TEXT, enableTracing: false}"],
  ["{accessLogEncoding: YAML}", "LTN0901 data.mesh.accessLogEncoding"],
  ['{accessLogEncoding: JSON, accessLogFormat: \'{"path": "%REQ(:PATH)%", "more": {"n": 1, "list": ["%PROTOCOL%"]}}\'}'],
  ["{accessLogEncoding: JSON, accessLogFormat: ''}"],
  ["{accessLogEncoding: JSON, accessLogFormat: '%REQ(:PATH)%'}", "LTN0901 data.mesh.accessLogFormat"],
  ["{accessLogEncoding: JSON, accessLogFormat: '[1]'}", "LTN0901 data.mesh.accessLogFormat"],
  ['{accessLogEncoding: JSON, accessLogFormat: \'{"a": {"b": "%NOTHING%"}}\'}', "LTN0901 data.mesh.accessLogFormat"],
  ["{defaultConfig: {tracing: {sampling: 50, customTags: {a: {literal: {value: b}}}}}}"],
  ["{defaultConfig: {tracing: {sampling: 101}}}", "LTN0901 data.mesh.defaultConfig.tracing.sampling"],
  ["{defaultConfig: {tracing: {customTags: {a: {}}}}}", "LTN0901 data.mesh.defaultConfig.tracing.customTags"],
  ["{defaultConfig: {tracing: {zipkin: {address: 'a:9411'}}}}", "LTN0902 data.mesh.defaultConfig.tracing.zipkin"],
  ["{defaultProviders: {accessLogging: [envoy], tracing: [], metrics: [prometheus]}}"],
  [provider("prometheus: {}")],
  [provider("opentelemetry: {service: otel.tools.svc.cluster.local, port: 4317}")],
  [provider("opentelemetry: {service: otel.tools, port: 4318, http: {path: /v1/traces}}")],
  [provider("opentelemetry: {port: 4317}"), `LTN0901 ${first}.opentelemetry.service`],
  [provider("zipkin: {service: zipkin.tools, port: 9411}")],
  [provider("zipkin: {service: zipkin.tools, port: 9411, enable64bitTraceId: true}"), `LTN0902 ${first}.zipkin.enable64bitTraceId`],
  [provider("skywalking: {service: a, port: 1}"), `LTN0902 ${first}.skywalking`],
  [provider("envoyFileAccessLog: {path: /tmp/a, logFormat: {labels: {a: '%PROTOCOL%', b: {c: 1}}}}")],
  [provider("envoyFileAccessLog: {logFormat: {text: '%NOTHING%'}}"), `LTN0901 ${first}.envoyFileAccessLog.logFormat.text`],
  ["{extensionProviders: [{name: 'a b', prometheus: {}}]}", "LTN0901 data.mesh.extensionProviders[0].name"],
])("MeshConfig %s", (text, ...expected) => {
  expect(parseMeshConfig(text).diagnostics.map(({ code, path }) => `${code} ${path}`)).toEqual(expected);
});

import { expect, test } from "vitest";
import { checkHeaderFormat } from "./header-format.ts";

// Each was tried on Envoy 1.40; translate/route/accepted.test.ts tries random ones.
test.each([
  "plain text",
  "",
  "100%%",
  "%REQ(x-user)%",
  "%REQ(:path?x-original-path):64%",
  "a %HOSTNAME% b %UPSTREAM_HOST%",
  "%START_TIME%",
  "%REQ(a)%%REQ(b)%%%",
  "%START_TIME(%Y-%m-%d)%",
  "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
  "%UPSTREAM_METADATA(istio:workload)%",
  "%FILTER_STATE(key:PLAIN)%",
])("%j is a header value", (value) => {
  expect(checkHeaderFormat(value, ["x"])).toEqual([]);
});

test.each([
  ["100%", "%"],
  ["%REQ(a)% %req(x)% %FOO%", "%req(x)% %FOO%"],
  ["50% off%", "% off%"],
  ["%FOO%", "%FOO%"],
  ["%req(x)%", "%req(x)%"],
  ["%HOSTNAME:5%", "%HOSTNAME:5%"],
  ["%START_TIME(%Y):5%", "%START_TIME(%Y):5%"],
  ["%REQ(x):99999999999999999999%", "%REQ(x):99999999999999999999%"],
  ["%REQ%", "%REQ%"],
  ["%REQ()%", "%REQ()%"],
  ["%START_TIME(%", "%START_TIME(%"],
  ["a%HOSTNAME%%", "%"],
  ["%RESPONSE_CODE(x)%", "%RESPONSE_CODE(x)%"],
])("%j is not: %s", (value, part) => {
  const [finding] = checkHeaderFormat(value, ["spec", "headers"]);
  expect(finding?.code).toBe("LTN0213");
  expect(finding?.message).toContain(JSON.stringify(part));
});

// Which loggers an access log is made of. What they write: test/e2e/telemetry-access-logs.test.ts.

import { expect, test } from "vitest";
import { parseMeshConfig } from "../../api/mesh-config.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { meshSettingsOf } from "../../model/settings.ts";
import { accessLog } from "./access-log.ts";
import { isCopy, isNoCopy } from "./stats-filters.ts";

const settingsOf = (yaml: string) => meshSettingsOf(parseMeshConfig(yaml).value);
const texts = (logs: readonly object[]) => logs.map((log) => JSON.stringify(log));

test("copies have a line of their own where marks are believed; the format itself asks nothing", () => {
  const [users, copies, ...others] = texts(accessLog(defaultMeshSettings, "inbound", "believed"));
  expect(others).toEqual([]);
  expect(users).toContain('access_log_hint)% -\\n"');
  expect(users).toContain(
    JSON.stringify(isNoCopy)
      .slice(1, -1)
      .replace(/^"andFilter":\{"filters":\[|\]\}$/g, ""),
  );
  expect(copies).toContain('access_log_hint)% 1\\n"');
  expect(copies).toContain(JSON.stringify(isCopy));
  expect(`${users}${copies}`).not.toContain("%CEL");
});

test("strangers' requests and connections have one line, without a mark", () => {
  const [one, ...others] = texts(accessLog(defaultMeshSettings, "inbound"));
  expect(others).toEqual([]);
  expect(one).toContain('access_log_hint)% -\\n"');
});

test("JSON says null for users' requests, and 1 for copies'", () => {
  const [users, copies] = texts(accessLog(settingsOf("accessLogEncoding: JSON"), "outbound", "believed"));
  expect(users).toContain('"mirrored":null');
  expect(copies).toContain('"mirrored":"1"');
});

test("a format of the user's own has one line, as it is", () => {
  const [one, ...others] = texts(accessLog(settingsOf('accessLogFormat: "%PROTOCOL%"'), "outbound", "believed"));
  expect(others).toEqual([]);
  expect(one).toContain('"inlineString":"%PROTOCOL%\\n"');
});

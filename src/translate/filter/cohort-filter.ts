// One value per user for a whole call chain: at gateways a script writes it into `baggage`, which applications pass on, before the route is
// chosen. The filter stands in every gateway chain, switched off; a route configuration switches it on while releases go by users.
// Why a script: docs/decisions/018.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import { LuaPerRouteSchema, LuaSchema } from "#envoy/envoy/extensions/filters/http/lua/v3/lua_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any } from "../../envoy/any.ts";
import { baggageHeader, type CohortMember } from "../../model/releases/cohort.ts";
import { jwtMetadataNamespace, jwtPayloadKey } from "./rbac-metadata.ts";

/** Name of the filter, which is the key of its per-route configuration. */
export const cohortFilterName = "lateen.cohort";

/** The filter; it does nothing and costs nothing until a route configuration switches it on. */
export function cohortFilter(): HttpFilterJson {
  return { name: cohortFilterName, disabled: true, typedConfig: any(LuaSchema, {}) };
}

/** How long a browser keeps the cookie that names a user: 30 days, longer than a release. */
const cookieSeconds = 2_592_000;

/**
 * Envoy's Lua is 5.1. Names come as data, never as code. Members that a stranger sent are dropped; a user without the cookie gets a new one,
 * named after the request.
 */
const script = `
local function value(user)
  local one, two = 7, 11
  for index = 1, #user do
    local byte = user:byte(index)
    one = (one * 257 + byte) % 4294967291
    two = (two * 263 + byte) % 4294967279
  end
  return string.format("%08x%08x", one, two)
end

local function cookie(header, name)
  for key, text in header:gmatch("%s*([^=;]+)=([^;]*)") do
    if key == name and text ~= "" then return text end
  end
end

local function claim(handle, name)
  local token = handle:streamInfo():dynamicMetadata():get("${jwtMetadataNamespace}")
  local payload = token and token["${jwtPayloadKey}"]
  local found = payload and payload[name]
  if type(found) == "string" or type(found) == "number" then return tostring(found) end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local members = {}
  local kept = (headers:get("${baggageHeader}") or ""):gsub("%s*lateen%-%l+%-%x+=[^,]*", ""):gsub("^[%s,]+", ""):gsub(",[%s,]*,", ","):gsub("[%s,]+$", "")
  if kept ~= "" then members[1] = kept end
  for _, member in ipairs(handle:filterContext():get("members")) do
    local user
    if member["kind"] == "cookie" then
      user = cookie(headers:get("cookie") or "", member["name"])
      if user == nil then
        user = (headers:get("x-request-id") or ""):gsub("[^%w%-]", "")
        local secure = headers:get(":scheme") == "https" and "; Secure" or ""
        local text = member["name"] .. "=" .. user .. "; Path=/; Max-Age=${cookieSeconds}; HttpOnly; SameSite=Lax" .. secure
        if user ~= "" then handle:streamInfo():dynamicMetadata():set("${cohortFilterName}", member["member"], text) end
      end
    elseif member["kind"] == "header" then
      user = headers:get(member["name"])
    else
      user = claim(handle, member["name"])
    end
    if user ~= nil and user ~= "" then members[#members + 1] = member["member"] .. "=" .. value(user) end
  end
  if #members > 0 then headers:replace("${baggageHeader}", table.concat(members, ",")) else headers:remove("${baggageHeader}") end
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local made = handle:streamInfo():dynamicMetadata():get("${cohortFilterName}")
  if made == nil then return end
  for _, text in pairs(made) do handle:headers():add("set-cookie", text) end
end
`;

/** typed_per_filter_config of a route configuration: the members to add. Empty without any. */
export function cohortPerRoute(members: readonly CohortMember[]): Record<string, AnyJson> {
  if (members.length === 0) return {};
  const named = members.map(({ kind, name, member }) => ({ kind, name, member }));
  return { [cohortFilterName]: any(LuaPerRouteSchema, { sourceCode: { inlineString: script }, filterContext: { members: named } }) };
}

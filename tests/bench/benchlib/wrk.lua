-- wrk script: requests chosen at random from a file, the outcome as one JSON object.
--   wrk ... -s wrk.lua URL -- FILE [PAUSE_MS]
-- FILE: the token on the first line, then one JSON body a line. PAUSE_MS: mean pause of a connection before each request.

local requests = {}
local pause = 0

function init(args)
  local file = assert(io.open(args[1], "r"))
  local headers = {
    ["Authorization"] = "Bearer " .. file:read("*l"),
    ["Content-Type"] = "application/json",
  }
  for body in file:lines() do
    requests[#requests + 1] = wrk.format("GET", "/api/crm/historycall/getAll", headers, body)
  end
  file:close()
  if args[2] then
    pause = tonumber(args[2])
    delay = function() return math.random(0, 2 * pause) end
  end
  math.randomseed(os.time() + tonumber(tostring(requests):match("0x(%x+)"), 16) % 65536)
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"rate":%.1f,"errors":%d,"p50_us":%d,"p99_us":%d,"bytes":%d}\n',
    summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), summary.bytes))
end

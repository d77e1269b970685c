-- Where a call stands whose home and start are known.
local call = redis.call
local byte, sub, floor, format = string.byte, string.sub, math.floor, string.format
local HOUR = 3600000

-- The set of its home; where it has none, of its hour.
local function home_key(tag, home, ms)
  return home ~= '' and tag .. 'n' .. home or tag .. 'h' .. format('%d', floor(ms / HOUR))
end

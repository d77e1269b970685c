-- Reads a range with its records, all at one moment: for a read that follows references and finds calls moved meanwhile.
--
-- KEYS[1]  the set of a number, or the directory of an index in chunks
-- ARGV     as index.lua tells; [1] is empty for a set, which has no chunks
-- ARGV[8]  the tenant's tag in braces
--
-- Returns what reading the set (records or references, each with its score) or the index returns, but with records in the
-- place of their references. A reference that leads nowhere stays.
local tag = ARGV[8]

local function complement(digest)
  local a, b, c, d = byte(digest, 1, 4)
  return string.char(255 - a, 255 - b, 255 - c, 255 - d)
end

local places = {} -- read once each, however many references lead there: one millisecond may hold thousands of calls

-- The members of a set at one time, by their digests.
local function members_at(key, ms)
  local time = format('%d', ms)
  local place = time .. key
  local found = places[place]
  if not found then
    found = {}
    for _, member in ipairs(call('ZRANGEBYSCORE', key, time, time)) do
      local digest = sub(member, 1, 4)
      local same = found[digest] or {}
      same[#same + 1] = member
      found[digest] = same
    end
    places[place] = found
  end
  return found
end

-- Finds the record that a reference without its digest leads to. Long ones name the whole id.
local function follow(digest, reference, ms)
  local home, packed_id = reference, nil
  if byte(reference, 1) == 2 then
    local length = byte(reference, 2)
    local begin = 3
    if length >= 128 then
      length, begin = length - 128 + byte(reference, 3) * 128, 4
    end
    packed_id, home = '\10' .. sub(reference, 2, begin + length - 1), sub(reference, begin + length)
  end
  for _, member in ipairs(members_at(home_key(tag, home, ms), ms)[digest] or {}) do
    local mark = byte(member, 5)
    local at = mark == 1 and 6 or 5
    if not packed_id and mark == 10 or packed_id and sub(member, at, at + #packed_id - 1) == packed_id then
      return sub(member, 5)
    end
  end
end

-- Puts records in the place of references. `base`: what scores count down from, nil in a set, where they are times.
local function resolve(members, base)
  for i = 1, #members, 2 do
    local member, score = members[i], tonumber(members[i + 1])
    local mark = byte(member, 5)
    if mark ~= 10 and mark ~= 1 then
      local digest = sub(member, 1, 4)
      local record = follow(base and complement(digest) or digest, sub(member, 5), base and base - score or score)
      members[i] = record and digest .. record or member
    end
  end
  return members
end

if ARGV[1] == '' then
  return resolve(call('ZREVRANGEBYSCORE', KEYS[1], ARGV[3], ARGV[2], 'WITHSCORES', 'LIMIT', ARGV[4], ARGV[5]))
end
local parts = read_index()
for i = 1, #parts, 2 do
  resolve(parts[i + 1], tonumber(parts[i]))
end
return parts

-- Reads or counts a range of a tenant's calls.
-- ARGV[1]  place: an external number's set, or the directory of an index in chunks; [2], [3] first and last score
-- ARGV[4]  how many entries to pass over; [5] how many to read, empty to count
-- ARGV[6]  digest: entries of the first score up to this digest are passed over too; empty: none
-- Returns the number of entries; or score and digest of the last one, 1 if more follow, then each entry's record, false if missing.
local place, low, high, after = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
local skip, want, last_score = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(high)
local chunked = is_chunked(place)

-- Calls visit(key, size) for each part of the range, newest first, until it returns true. size: false for a part of a set.
local function each_part(visit)
  if not chunked then
    return visit(tag .. place, false)
  end
  local bound, batch, whole = '(' .. low, 2, false
  repeat
    local names, newer = call('ZRANGEBYSCORE', tag .. place, bound, '+inf', 'LIMIT', 0, batch), nil
    for i = 1, #names do
      local size, older = parse_name(names[i])
      if whole and size <= skip and last_score >= 2047 then -- no bound: nothing else of a chunk on a far page's way is needed
        skip = skip - size
      else
        local last = older > last_score
        if visit(chunk_key(place, older), whole and not last and size) or last then
          return
        end
      end
      whole, newer = true, older
    end
    bound, batch = newer and format('(%d', newer), 128
  until not newer
end

if not want then
  local total = 0
  each_part(function(key, size)
    total = total + (size or call('ZCOUNT', key, low, high))
  end)
  return total
elseif skip > 0 and chunked then -- a page past the end must not walk the whole index
  local state = call('HGET', tag .. 'c', place)
  if not state or struct_unpack('>I6', state) <= skip then
    return {}
  end
end

-- Counts the entries of the first score up to the digest.
local function passed(key)
  local count, a, b = 0, struct_unpack('>I4I4', after)
  for _, member in ipairs(call('ZRANGEBYSCORE', key, low, low)) do
    local c, d = struct_unpack('>I4I4', member)
    count = count + ((c < a or c == a and d <= b) and 1 or 0)
  end
  return count
end

local entries = {} -- references or records, each followed by its score; one more than wanted shows that more follow
each_part(function(key, size)
  if after ~= '' then
    skip, after = skip + passed(key), ''
  end
  local count = skip > 0 and (size or call('ZCOUNT', key, low, high)) or 1
  if count <= skip then
    skip = skip - count
    return
  end
  local part = call('ZRANGEBYSCORE', key, low, high, 'WITHSCORES', 'LIMIT', skip, want + 1 - #entries / 2)
  skip = 0
  for _, value in ipairs(part) do
    entries[#entries + 1] = value
  end
  return #entries > 2 * want
end)

local count = math.min(#entries / 2, want)
local out = count > 0 and { entries[2 * count], sub(entries[2 * count - 1], 1, 8), #entries > 2 * want } or {}
for i = 1, count do
  local member, score = entries[2 * i - 1], entries[2 * i]
  if byte(member, 9) ~= RECORD then
    local good, record = pcall(find_record, sub(member, 9), score, sub(member, 1, 8))
    member = good and record or false
  end
  out[i + 3] = member
end
return out

-- Compares what a tenant's keys say of each other, one bounded unit a call, and repairs what differs.
--
-- ARGV[1]  unit; [2] 1: repair; [3], [4] its arguments
--
-- Returns what the caller needs to continue, then the differences: sentences without numbers of parties.
--   keys CURSOR       the next cursor, then keys of the tenant instead of differences
--   type PLACE        0; a key whose type is not that of its kind is deleted
--   buckets COUNT     0; the number of buckets of the id index, which is at least COUNT
--   records PLACE AT  the next rank, or -1: records in a set against the id index
--   directory PLACE   0; chunks that a directory names
--   chunk PLACE       0; whether a chunk is in its directory
--   entries PLACE AT  the next rank, or -1: references in a set or a chunk against the id index, and their positions
--   ids PLACE         0; a bucket's entries against records and references
--   state PLACE       0; the state of an index against its directory
--   stale             0; states of indexes that do not exist
--   owner NAME        0; the tenant that the tag names
--   total             0; the number of entries of the id index
--   end               0; forgets which entries of the id index were rebuilt
local SLICE = 500
local unit, repair, place, at = ARGV[1], ARGV[2] == '1', ARGV[3], tonumber(ARGV[4])
local rebuilt = tag .. 'v' -- hash: digests whose entry of the id index was rebuilt by this run
local out = { '0' }
local entries = tonumber(call('HGET', meta, 'n')) or 0
set_buckets(math.max(1, tonumber(call('HGET', meta, 'b')) or 1))

local function differ(text_of, mend, ...)
  out[#out + 1] = text_of
  if repair then
    mend(...)
  end
end

-- The score that a record must have: of its start, the second field of the packed Call, and its digest.
local function score_of(member)
  local position = 10
  local function varint()
    local value, factor, part = 0, 1, nil
    repeat
      part = byte(member, position)
      value, factor, position = value + part % 128 * factor, factor * 128, position + 1
    until part < 128
    return value
  end
  position = varint() + position + 1
  local finish = varint()
  finish = position + finish
  local seconds, nanos = 0, 0
  while position < finish do
    local field = byte(member, position)
    position = position + 1
    local value = varint()
    if field == 8 then
      seconds = value
    else
      nanos = value
    end
  end
  local ms, first, second = seconds * 1000 + math.floor(nanos / 1000000), byte(member, 1, 2)
  local leading = first * 8 + math.floor(second / 32)
  return (ms >= 2 ^ 41 and leading - leading % 64 or leading) - ms * 2048
end

local function new_value(score, places) return struct_pack('>l', score) .. table.concat(places, '\0') end
local function set_entry(digest, score, places) call('HSET', bucket_key(digest), digest, new_value(score, places)) end
local function entry_of(digest)
  local value = call('HGET', bucket_key(digest), digest)
  return value and #value > 9 and parse_call(digest, value) or nil
end

local function lists(call_of, wanted)
  for i = HOME + 1, #call_of do
    if call_of[i] == wanted then
      return true
    end
  end
  return wanted == 't'
end

local function has(where, call_of, entry)
  local key = tag .. where
  if is_chunked(where) then
    key = find_chunk(index_of(where), call_of[SCORE], false)
  end
  local found = key and redis.pcall('ZSCORE', key, entry)
  return type(found) == 'string' and tonumber(found) == call_of[SCORE]
end

local function rebuild(member, score)
  local digest = sub(member, 1, 8)
  set_entry(digest, score, { place })
  call('HSET', rebuilt, digest, 1)
  call('HSET', meta, 'n', entries + 1)
end

local function verify_record(member, score)
  local good, expected = pcall(score_of, member)
  local digest = sub(member, 1, 8)
  local entry = entry_of(digest)
  local named = entry and find_record(entry[HOME], entry[TEXT], digest)
  if not good then
    return differ('a record cannot be read', call, 'ZREM', tag .. place, member)
  elseif named and (named ~= member or entry[HOME] ~= place) then
    return differ('a former version of a call is still stored', call, 'ZREM', tag .. place, member)
  elseif expected ~= score then
    differ('a record has a wrong score', call, 'ZADD', tag .. place, text(expected), member)
  end
  if not entry then
    return differ('a record is not in the id index', rebuild, member, expected)
  elseif entry[HOME] == place and entry[SCORE] == expected then
    return
  end
  entry[HOME] = place
  differ('the id index has a wrong position of a call', set_entry, digest, expected, { unpack(entry, HOME) })
end

-- Takes an entry out of a chunk or set whatever its score, and keeps the directory true.
local function take(index, key, bound, member)
  if not index then
    return call('ZREM', key, member)
  end
  local left = call('ZCARD', key) - 1
  call('ZREM', key, member)
  index[TOTAL], index[CHANGED] = index[TOTAL] - 1, true
  set_size(index, bound, left, bound ~= index[BOUND] and chunk_name(left + 1, bound))
end

local function verify_entry(where, key, index, bound, member, score, low)
  local entry = #member > 8 and entry_of(sub(member, 1, 8))
  local function attach()
    table.insert(entry, is_chunked(where) and #entry + 1 or HOME + 1, where)
    set_entry(entry[DIGEST], entry[SCORE], { unpack(entry, HOME) })
  end
  if entry and (entry[REFERENCE] ~= member or entry[SCORE] ~= score) or not entry then
    return differ('a reference leads to no call', take, index, key, bound, member)
  elseif not lists(entry, where) then
    if call('HEXISTS', rebuilt, entry[DIGEST]) == 1 then
      return differ('a rebuilt entry of the id index lacks a number', attach)
    end
    return differ('a reference is not in the id index', take, index, key, bound, member)
  elseif index and (score >= bound or score < low) then
    differ('a reference is in a wrong chunk', function()
      take(index, key, bound, member)
      index_add(index, { entry })
    end)
  end
end

local function parse_chunk_place()
  local where, bound = string.match(place, '^k(.*):(%-?%d+)$')
  return where, tonumber(bound)
end

-- Walks a set by rank. Repairs take entries away, so what was taken does not count.
local function slice(visit)
  local key = tag .. place
  local part, before = call('ZRANGE', key, at, at + SLICE - 1, 'WITHSCORES'), call('ZCARD', key)
  for i = 1, #part, 2 do
    visit(part[i], tonumber(part[i + 1]))
  end
  out[1] = #part == 2 * SLICE and tostring(at + SLICE - (before - call('ZCARD', key))) or '-1'
end

local TYPES = { t = 'zset', x = 'zset', k = 'zset', h = 'zset', c = 'hash', m = 'hash', i = 'hash', v = 'hash' }
local units = {}

function units.keys()
  local page = call('SCAN', place, 'MATCH', tag .. '*', 'COUNT', 1000)
  for _, key in ipairs(page[2]) do
    out[#out + 1] = sub(key, #tag + 1)
  end
  out[1] = page[1]
end

function units.type()
  local key = tag .. place
  local expected, found = TYPES[sub(place, 1, 1)] or 'zset', call('TYPE', key).ok
  if found ~= 'none' and found ~= expected then
    differ('a key has a foreign type', call, 'DEL', key)
  end
end

function units.buckets()
  local count = tonumber(place)
  if count > buckets then
    differ('the id index has more buckets than its counter', call, 'HSET', meta, 'b', count)
  end
end

function units.records()
  slice(function(member, score)
    if byte(member, 9) == RECORD then
      verify_record(member, score)
    end
  end)
end

function units.directory()
  local newest = true
  for _, name in ipairs(call('ZRANGE', tag .. place, 0, -1)) do
    local good, size, bound = pcall(parse_name, name)
    local held = good and bound and call('ZCARD', chunk_key(place, bound)) or 0
    if held == 0 then
      differ('a directory names a chunk that does not exist', call, 'ZREM', tag .. place, name)
    else
      local wanted = chunk_name(newest and 0 or held, bound)
      if wanted ~= name or call('ZSCORE', tag .. place, name) ~= text(bound) then
        differ('a directory has a wrong size or bound of a chunk', function()
          call('ZREM', tag .. place, name)
          call('ZADD', tag .. place, text(bound), wanted)
        end)
      end
      newest = false
    end
  end
end

function units.chunk()
  local where, bound = parse_chunk_place()
  if not where then
    return differ('a chunk has a malformed name', call, 'DEL', tag .. place)
  end
  local held = call('ZCARD', tag .. place)
  for _, name in ipairs(call('ZRANGE', tag .. where, 0, -1)) do
    local good, _, named = pcall(parse_name, name)
    if held == 0 or good and named == bound then
      return
    end
  end
  if held > 0 then
    differ('a chunk is not in its directory', call, 'ZADD', tag .. where, text(bound), chunk_name(held, bound))
  end
end

function units.entries()
  local where, bound = parse_chunk_place()
  local index, low = where and index_of(where), -math.huge
  if where then
    local newer = call('ZREVRANGEBYSCORE', tag .. index[NAME], '(' .. text(bound), '-inf', 'LIMIT', 0, 1)[1]
    low = newer and select(2, parse_name(newer)) or low
  end
  slice(function(member, score)
    if where or byte(member, 9) ~= RECORD then
      verify_entry(where or place, tag .. place, index, bound, member, score, low)
    end
  end)
end

local function verify_id(digest, value)
  local key = tag .. place
  if #digest ~= 8 or #value < 10 then
    return differ('an entry of the id index cannot be read', call, 'HDEL', key, digest)
  end
  local call_of = parse_call(digest, value)
  local member = find_record(call_of[HOME], call_of[TEXT], digest)
  if bucket_key(digest) ~= key then
    return differ('an entry of the id index is in a wrong bucket', function()
      call('HSETNX', bucket_key(digest), digest, value)
      call('HDEL', key, digest)
    end)
  elseif not member then
    return differ('the record of a call is missing', function()
      call_of[MEMBER] = call_of[REFERENCE]
      each_entry(gently(drop), call_of)
      call('HDEL', key, digest)
    end)
  end
  call_of[MEMBER] = member
  each_entry(function(where, _, entry)
    if not has(where, call_of, entry) then
      differ('a reference to a call is missing', put, where, call_of, entry)
    end
  end, call_of)
end

function units.ids()
  local all = call('HGETALL', tag .. place)
  for i = 1, #all, 2 do
    verify_id(all[i], all[i + 1])
  end
end

function units.state()
  local index, total, head = index_of(place), 0, nil
  for i, name in ipairs(call('ZRANGE', tag .. place, 0, -1)) do
    local size, bound = parse_name(name)
    head = head or bound
    total = total + (i == 1 and call('ZCARD', chunk_key(place, bound)) or size)
  end
  local size = head and call('ZCARD', chunk_key(place, head)) or 0
  if index[TOTAL] ~= total or (index[BOUND] or nil) ~= head or index[SIZE] ~= size then
    differ('the state of an index does not match its chunks', function()
      index[TOTAL], index[CHANGED], index[SIZE], index[BOUND] = total, true, size, head or false
    end)
  end
end

function units.stale()
  local all = call('HGETALL', states)
  for i = 1, #all, 2 do
    if call('EXISTS', tag .. all[i]) == 0 then
      differ('the state of an index has no directory', call, 'HDEL', states, all[i])
    end
  end
end

function units.owner()
  if call('HGET', meta, 'owner') ~= place then
    differ('the tag does not name its tenant', call, 'HSET', meta, 'owner', place)
  end
end

function units.total()
  local count = 0
  for i = 0, buckets - 1 do
    count = count + call('HLEN', tag .. 'i' .. bit.tohex(i))
  end
  if count ~= entries then
    differ('the counter of the id index is wrong', call, 'HSET', meta, 'n', count, 'b', buckets)
  end
end

units['end'] = function()
  local all, fields = call('HGETALL', rebuilt), {}
  for i = 1, #all, 2 do
    fields[#fields + 1] = all[i]
  end
  batched('HDEL', rebuilt, fields)
end

units[unit]()
if repair then
  store_indexes()
end
return out

-- Compares what a tenant's keys say of each other, one bounded unit a call, and repairs what differs.
--
-- ARGV[1]  unit; [2] 1: repair; [3] its argument; [4] the rank or the cursor where it continues, 0 at first
--
-- Returns where the unit continues, empty if it is done, then the differences: sentences without numbers of parties.
--   keys              (cursor) keys of the tenant instead of differences
--   type PLACE        a key whose type is not that of its kind is deleted
--   buckets COUNT     the number of buckets of the id index, which is at least COUNT
--   records PLACE     (rank) records in a set against the id index
--   directory PLACE   chunks that a directory names
--   chunk PLACE       a chunk's order, and whether its index has it
--   entries PLACE     (rank) references in a set, or all in a chunk, against the id index, and their positions
--   groups PLACE      (rank) references to calls of groups in a bucket
--   ids PLACE         a bucket's entries against records and references
--   states            (cursor) states of indexes against their chunks
--   owner NAME        the tenant that the tag names
--   total             the number of entries of the id index
--   end               forgets which entries of the id index were rebuilt
local SLICE = 500
local unit, repair, place, at = ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]
local rebuilt = tag .. 'v' -- hash: digests whose entry of the id index was rebuilt by this run
local out = { '' }
local counters = redis.pcall('HMGET', meta, 'n', 'b') -- an error without elements where the key has a foreign type
local entries = tonumber(counters[1]) or 0
set_buckets(math.max(1, tonumber(counters[2]) or 1))

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

local function set_entry(digest, score, places)
  call('HSET', bucket_key(digest), digest, struct_pack('>l', score) .. table.concat(places, '\0'))
end

local function entry_of(digest)
  local value = call('HGET', bucket_key(digest), digest)
  return value and #value > 9 and parse_call(digest, digest, value) or nil
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
  if is_group(where) then
    local level = power
    while level >= 1 and redis.pcall('ZSCORE', group_key(where, level), call_of[DIGEST]) ~= text(group_number(where)) do
      level = level / 4
    end
    return level >= 1
  elseif not is_chunked(where) then
    local found = redis.pcall('ZSCORE', tag .. where, entry)
    return type(found) == 'string' and tonumber(found) == call_of[SCORE]
  end
  local index = index_of(where)
  local content = redis.pcall('GET', chunk_key(where, (find_chunk(index, call_of[SCORE]))))
  if type(content) == 'string' then
    local at = ENTRY * count_behind(content, call_of[SCORE], call_of[DIGEST])
    return is_entry(content, at, call_of[PACKED])
  end
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
  local named = entry and find_record(tag .. entry[HOME], entry[TEXT], digest)
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

-- Whether a reference is right where it is; says what is wrong otherwise. A rebuilt entry of the id index gets the number.
local function is_right(where, digest, score, remove)
  local entry = #digest == 8 and entry_of(digest)
  if not entry or entry[SCORE] ~= score then
    return differ('a reference leads to no call', remove)
  elseif lists(entry, where) then
    return true
  elseif call('HEXISTS', rebuilt, digest) == 0 then
    return differ('a reference is not in the id index', remove)
  end
  differ('a rebuilt entry of the id index lacks a number', function()
    table.insert(entry, (is_chunked(where) or is_group(where)) and #entry + 1 or HOME + 1, where)
    set_entry(digest, score, { unpack(entry, HOME) })
  end)
  return true
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
  out[1] = #part == 2 * SLICE and text(at + SLICE - (before - call('ZCARD', key))) or ''
end

local TYPES = { t = 'zset', x = 'zset', k = 'string', h = 'zset', m = 'hash', i = 'hash', p = 'string', v = 'hash', c = 'stream' }
local units = {}

function units.keys()
  local page = call('SCAN', at, 'MATCH', tag .. '*', 'COUNT', 1000)
  for _, key in ipairs(page[2]) do
    out[#out + 1] = sub(key, #tag + 1)
  end
  out[1] = page[1] ~= '0' and page[1] or ''
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

local function size_of(index, bound) return floor(call('STRLEN', chunk_key(index, bound)) / ENTRY) end

function units.directory()
  for _, name in ipairs(call('ZRANGE', tag .. place, 0, -1)) do
    local good, _, bound = pcall(parse_name, name)
    local held = good and bound and size_of(place, bound) or 0
    if held == 0 then
      differ('a directory names a chunk that does not exist', call, 'ZREM', tag .. place, name)
    elseif chunk_name(held, bound) ~= name or call('ZSCORE', tag .. place, name) ~= text(bound) then
      differ('a directory has a wrong size or bound of a chunk', function()
        call('ZREM', tag .. place, name)
        call('ZADD', tag .. place, text(bound), chunk_name(held, bound))
      end)
    end
  end
end

-- The entries of a chunk in their order.
local function sorted(content)
  local right = ''
  for at = 1, #content - ENTRY + 1, ENTRY do
    local entry = sub(content, at, at + ENTRY - 1)
    local position = ENTRY * count_behind(right, struct_unpack('>lc8', entry))
    if not is_entry(right, position, entry) then
      right = sub(right, 1, position) .. entry .. sub(right, position + 1)
    end
  end
  return right
end

function units.chunk()
  local where, bound = parse_chunk_place()
  if not where then
    return differ('a chunk has a malformed name', call, 'DEL', tag .. place)
  end
  local content = call('GET', tag .. place) or ''
  local right = sorted(content)
  if right ~= content then
    differ('a chunk is cut off or out of order', function()
      call('DEL', tag .. place)
      call('APPEND', tag .. place, right)
    end)
  end
  local index, held = index_of(where), #right / ENTRY
  if held == 0 or index[BOUND] == bound and index[TOTAL] > 0 then
    return
  end
  for _, name in ipairs(call('ZRANGEBYSCORE', tag .. where, text(bound), text(bound))) do
    if select(2, parse_name(name)) == bound then
      return
    end
  end
  differ('an index does not have a chunk of its own', function()
    call('ZADD', tag .. where, text(bound), chunk_name(held, bound))
    index[TOTAL], index[CHANGED] = index[TOTAL] + held, true
  end)
end

local function verify_chunk(where, bound)
  local index, key, directory = index_of(where), tag .. place, tag .. where
  local content, low = call('GET', key) or '', -math.huge
  local name, kept = chunk_name(#content / ENTRY, bound), {}
  if bound ~= index[BOUND] then
    local newer = call('ZREVRANGEBYSCORE', directory, '(' .. text(bound), '-inf', 'LIMIT', 0, 1)[1]
    low = newer and select(2, parse_name(newer)) or index[BOUND]
  end
  for at = 1, #content, ENTRY do
    local entry = sub(content, at, at + ENTRY - 1)
    local score, digest = struct_unpack('>lc8', entry)
    if not is_right(where, digest, score, function() end) then
      entry = nil
    elseif score < low or score >= bound then -- the unit ids enters it where it belongs, when no chunk has others' entries
      entry = differ('a reference is in a wrong chunk', function() end)
    end
    kept[#kept + 1] = entry
  end
  if repair and ENTRY * #kept < #content then
    write_chunk(index, bound, bound ~= index[BOUND] and name or nil, table.concat(kept))
  end
end

function units.entries()
  local where, bound = parse_chunk_place()
  if where then
    return verify_chunk(where, bound)
  end
  slice(function(member, score)
    if byte(member, 9) ~= RECORD then
      is_right(place, member, score, function() call('ZREM', tag .. place, member) end)
    end
  end)
end

-- The references to calls of groups in a bucket, whose key has the power of its time in it.
function units.groups()
  local number = tonumber(sub(place, 2), 16) or 0
  local level = number >= 1 and 4 ^ floor((select(2, math.frexp(number)) - 1) / 2) or math.huge
  slice(function(digest, group)
    local where, entry = format('g%06x', group), #digest == 8 and entry_of(digest)
    local function remove() call('ZREM', tag .. place, digest) end
    if level <= power and group_key(where, level) == tag .. place then
      return is_right(where, digest, entry and entry[SCORE], remove)
    end
    differ('a reference to a call of a group is in a wrong bucket', function()
      remove()
      if entry and lists(entry, where) then put(where, entry) end
    end)
  end)
end

local function verify_id(digest, value)
  local key = tag .. place
  if #digest ~= 8 or #value < 10 then
    return differ('an entry of the id index cannot be read', call, 'HDEL', key, digest)
  end
  local call_of = parse_call(digest, digest, value)
  local member = find_record(tag .. call_of[HOME], call_of[TEXT], digest)
  if bucket_key(digest) ~= key then
    return differ('an entry of the id index is in a wrong bucket', function()
      call('HSETNX', bucket_key(digest), digest, value)
      call('HDEL', key, digest)
    end)
  elseif not member then
    return differ('the record of a call is missing', function()
      local problem = each_entry(drop, call_of)
      if problem then error(problem, 0) end
      call('HDEL', key, digest)
    end)
  end
  call_of[MEMBER] = member
  local problem = each_entry(function(where, _, entry)
    if not has(where, call_of, entry) then
      differ('a reference to a call is missing', put, where, call_of, entry)
    end
  end, call_of)
  if problem then error(problem, 0) end
end

function units.ids()
  local all = call('HGETALL', tag .. place)
  for i = 1, #all, 2 do
    verify_id(all[i], all[i + 1])
  end
end

local function verify_state(name)
  local index, directory = index_of(name), tag .. name
  local total, head, size = 0, index[BOUND], size_of(name, index[BOUND])
  local newest = call('ZRANGE', directory, 0, 0)[1]
  local is_wrong = newest and select(2, parse_name(newest)) <= head
  if is_wrong and repair then -- the newest chunk becomes the head
    if size > 0 then
      call('ZADD', directory, text(head), chunk_name(size, head))
      newest = call('ZRANGE', directory, 0, 0)[1]
    end
    size, head = parse_name(newest)
    call('ZREM', directory, newest)
  end
  for _, chunk in ipairs(call('ZRANGE', directory, 0, -1)) do
    total = total + parse_name(chunk)
  end
  local last = size > 0 and score_at(call('GET', chunk_key(name, head)), size) or head
  if is_wrong or index[TOTAL] ~= total + size or index[SIZE] ~= size or index[NEWEST] > last then
    differ('the state of an index does not match its chunks', function()
      index[CHANGED], index[TOTAL], index[SIZE], index[BOUND] = true, total + size, size, head
      index[NEWEST] = min(last, index[NEWEST])
    end)
  end
end

function units.states()
  local page = call('HSCAN', meta, at, 'COUNT', 100)
  for i = 1, #page[2], 2 do
    local name = page[2][i]
    if name == 't' or byte(name) == 120 then -- x…
      verify_state(name)
    end
  end
  out[1] = page[1] ~= '0' and page[1] or ''
end

function units.owner()
  if call('HGET', meta, 'owner') ~= place then
    differ('the tag does not name its tenant', call, 'HSET', meta, 'owner', place)
  end
end

function units.total()
  local count = 0
  for i = 0, 4 * power - 1 do
    if i < power or i % power < divided then
      count = count + call('HLEN', bucket_name(i))
    end
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
  store_indexes({})
end
return out

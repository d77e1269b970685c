-- Records calls, each wholly or not at all; see store/layout.md.
--
-- KEYS[1]  <tag>m
-- ARGV[1]  the tenant's tag in braces
-- then per call: member of the home set (digest .. packed Call), field and
-- value of the id index, start ms, home number, number of further keys, and
-- these: "x" .. number for an index in chunks, "n" .. number for a plain set.
--
-- Returns a string with a digit per call: 1 recorded, 2 replaced, 3 unchanged.
--
-- Within a call all keys are met before the first write but the id index', so
-- that a key of a foreign type is found while that one can still be undone.
-- Each redis.call costs more than all that Lua does in between: a new call
-- takes one per set that it enters and one for the id index.
local CHUNK = 64  -- entries of a chunk: adding to a listpack reads all of it, so half of what fits costs less time and 1 % memory
local LOAD = 24   -- entries per bucket on average; the fullest hold about two and a half times that, still a listpack
local BATCH = 500 -- pairs in one command that moves entries

local pack, unpack_state = struct.pack, struct.unpack
local state_key = tag .. 'c'
local entries
local indexes = {}
local undo_bucket, undo_field

-- Of an index: how many references, then of its last chunk entries (0: there is none), beginning and name.
local STATE = '>LLLL'

-- Scores of chunks count from the chunk's name. (A number given to redis.call would be written out by a slow printf.)
local function text(number)
  return format('%d', number)
end

local function new_chunk(index, low, high, name, size)
  return { low = low, high = high, name = name, base = tonumber(name), key = index.prefix .. name, size = size }
end

-- An index in chunks: its total, its last chunk, and the one in use (nil: none yet). `state` is its field of <tag>c.
local function new_index(suffix, state)
  local number = sub(suffix, 2)
  local index = {
    directory = tag .. suffix,
    prefix = suffix == 't' and tag .. 'u' or tag .. 'y' .. number .. ':',
    field = number,
    total = 0,
  }
  if state then
    local total, size, low, base = unpack_state(STATE, state)
    index.total = total
    if size > 0 then
      index.last = new_chunk(index, low, math.huge, text(base), size)
    end
  end
  indexes[suffix] = index
  return index
end

local function index_of(suffix)
  return indexes[suffix] or new_index(suffix, call('HGET', state_key, sub(suffix, 2)))
end

-- Reads the states of all indexes that the calls name, in one go.
local function load_indexes()
  local suffixes, fields, seen = { 't' }, { '' }, {}
  local at = 7
  while ARGV[at] do
    local last = at + tonumber(ARGV[at])
    for i = at + 1, last do
      local suffix = ARGV[i]
      if byte(suffix) == 120 and not seen[suffix] then
        seen[suffix] = true
        suffixes[#suffixes + 1] = suffix
        fields[#fields + 1] = sub(suffix, 2)
      end
    end
    at = last + 6
  end
  local states = call('HMGET', state_key, unpack(fields))
  for i, suffix in ipairs(suffixes) do
    new_index(suffix, states[i])
  end
end

local function store_indexes()
  local states = {}
  for _, index in pairs(indexes) do
    if index.changed then
      local last = index.last
      states[#states + 1] = index.field
      states[#states + 1] = pack(STATE, index.total, last and last.size or 0, last and last.low or 0, last and last.base or 0)
    end
  end
  if states[1] then
    call('HSET', state_key, unpack(states))
  end
end

-- The chunk whose range holds ms, or nil when the index is empty.
local function find_chunk(index, ms)
  local chunk, last = index.chunk, index.last
  if chunk and ms >= chunk.low and ms < chunk.high then
    return chunk
  end
  if not last or ms >= last.low then
    index.chunk = last
    return last
  end
  local found = call('ZREVRANGEBYSCORE', index.directory, text(ms), '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local after = call('ZRANGEBYSCORE', index.directory, '(' .. found[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local size = call('ZCARD', index.prefix .. found[1])
  index.chunk = new_chunk(index, tonumber(found[2]), tonumber(after[2]), found[1], size)
  return index.chunk
end

-- Enters a new chunk in the directory. Its name is the number that its scores count from, near ms and not taken yet.
local function open_chunk(index, low, high, ms, size)
  local name
  repeat
    name = text(ms)
    ms = ms + 1
  until not call('ZSCORE', index.directory, name) and call('EXISTS', index.prefix .. name) == 0
  call('ZADD', index.directory, text(low), name)
  local chunk = new_chunk(index, low, high, name, size)
  if high == math.huge then
    index.last = chunk
  end
  index.chunk = chunk
  index.changed = true
  return chunk
end

-- Moves the upper half of a chunk to a new one; entries of one ms stay together. Returns the one that holds ms.
local function split_chunk(index, chunk, ms)
  local all = call('ZRANGE', chunk.key, 0, -1, 'WITHSCORES')
  local count = #all / 2
  local cut = floor(count / 2) + 1
  while cut > 1 and all[2 * cut - 2] == all[2 * cut] do
    cut = cut - 1
  end
  if cut == 1 then
    cut = floor(count / 2) + 1
    while all[2 * cut] == all[2] do
      cut = cut + 1
    end
  end
  local pivot = chunk.base + tonumber(all[2 * cut])
  local upper = open_chunk(index, pivot, chunk.high, pivot, count - cut + 1)
  local shift = chunk.base - upper.base
  for first = cut, count, BATCH do
    local moved = {}
    for i = first, math.min(first + BATCH - 1, count) do
      moved[#moved + 1] = text(tonumber(all[2 * i]) + shift)
      moved[#moved + 1] = all[2 * i - 1]
    end
    call('ZADD', upper.key, unpack(moved))
  end
  call('ZREMRANGEBYRANK', chunk.key, cut - 1, -1)
  chunk.high, chunk.size = pivot, cut - 1
  index.chunk = ms >= pivot and upper or chunk
  return index.chunk
end

-- Finds or makes a chunk that holds ms and has room. The first chunk of an index begins at 0, so every ms has a chunk.
local function make_room(index, ms)
  local chunk = find_chunk(index, ms)
  if not chunk then
    return open_chunk(index, 0, math.huge, ms, 0)
  end
  if chunk.size < CHUNK then
    return chunk
  end
  local least = chunk.base + tonumber(call('ZRANGE', chunk.key, 0, 0, 'WITHSCORES')[2])
  local most = chunk.base + tonumber(call('ZRANGE', chunk.key, -1, -1, 'WITHSCORES')[2])
  if ms > most then
    local high = chunk.high
    chunk.high = most + 1
    return open_chunk(index, most + 1, high, ms, 0)
  end
  if ms < least then
    local low = chunk.low
    call('ZADD', index.directory, text(least), chunk.name)
    chunk.low = least
    return open_chunk(index, low, least, ms, 0)
  end
  return least < most and split_chunk(index, chunk, ms) or chunk
end

-- Adds a reference to the chunk in use. Whether it was new.
local function add_reference(index, ms, reference)
  local chunk = index.chunk
  if call('ZADD', chunk.key, text(ms - chunk.base), reference) == 0 then
    return false
  end
  chunk.size = chunk.size + 1
  index.total = index.total + 1
  index.changed = true
  return true
end

-- Takes an empty chunk out of the directory; the first one left begins at 0 again.
local function drop_chunk(index, chunk)
  call('ZREM', index.directory, chunk.name)
  local first = chunk.low == 0 and call('ZRANGE', index.directory, 0, 0)[1]
  if first then
    call('ZADD', index.directory, 0, first)
  end
  local last = call('ZRANGE', index.directory, -1, -1, 'WITHSCORES')
  index.chunk, index.last = nil, nil
  if last[1] then
    index.last = new_chunk(index, tonumber(last[2]), math.huge, last[1], call('ZCARD', index.prefix .. last[1]))
  end
end

local function remove_reference(index, ms, reference)
  local chunk = find_chunk(index, ms)
  if not chunk or call('ZREM', chunk.key, reference) == 0 then
    return
  end
  chunk.size = chunk.size - 1
  index.total = index.total - 1
  index.changed = true
  if chunk.size == 0 then
    drop_chunk(index, chunk)
  end
end

-- Splits one bucket of the id index: each step adds one, so that no step is long.
local function grow_id_index()
  local from, to = tag .. 'i' .. (buckets - power), tag .. 'i' .. buckets
  local all = call('HGETALL', from)
  local moved, gone = {}, {}
  for i = 1, #all, 2 do
    if hash_of(all[i]) % (power * 2) == buckets then
      moved[#moved + 1] = all[i]
      moved[#moved + 1] = all[i + 1]
      gone[#gone + 1] = all[i]
    end
  end
  for first = 1, #gone, BATCH do
    local last = math.min(first + BATCH - 1, #gone)
    call('HSET', to, unpack(moved, 2 * first - 1, 2 * last))
    call('HDEL', from, unpack(gone, first, last))
  end
  set_buckets(buckets + 1)
end

local function packed_id_of(member)
  local length = byte(member, 6)
  return sub(member, 5, length < 128 and 6 + length or 7 + 128)
end

-- A reference that names the whole id: for the second call of a millisecond with the same digest and home.
local function long_reference(digest, packed_id, home)
  return digest .. '\2' .. sub(packed_id, 2) .. home
end

-- Meets every key that will be written, and makes room in the indexes.
local function prepare(ms, first, last)
  make_room(index_of('t'), ms)
  for i = first, last do
    if byte(ARGV[i]) == 120 then
      make_room(index_of(ARGV[i]), ms)
    else
      call('ZCARD', tag .. ARGV[i])
    end
  end
end

-- Writes a call into its sets. Returns the value that the id index shall hold.
local function add(member, value, ms, score, home, first, last)
  local key = home_key(home, ms)
  local reference = sub(member, 1, 4) .. home
  local timeline = index_of('t')
  call('ZADD', key, score, member)
  undo_bucket = nil
  if not add_reference(timeline, ms, reference) then
    call('ZREM', key, member)
    call('ZADD', key, score, sub(member, 1, 4) .. '\1' .. sub(member, 5))
    reference = long_reference(sub(member, 1, 4), packed_id_of(member), home)
    value = sub(value, 1, 6) .. '\1' .. sub(value, 7)
    add_reference(timeline, ms, reference)
  end
  for i = first, last do
    if byte(ARGV[i]) == 120 then
      add_reference(index_of(ARGV[i]), ms, reference)
    else
      call('ZADD', tag .. ARGV[i], score, reference)
    end
  end
  return value
end

local function index_key(number)
  return (#number >= 7 and string.find(number, '^%+?%d+$') and 'n' or 'x') .. number
end

local function remove(old, packed_id)
  local digest = sub(old.member, 1, 4)
  local reference = old.long and long_reference(digest, packed_id, old.home) or digest .. old.home
  local keys = { 't' }
  for i, number in ipairs(old.others) do
    keys[i + 1] = index_key(number)
  end
  -- All are met before the first write, as in prepare().
  for _, key in ipairs(keys) do
    if byte(key) == 110 then
      call('ZCARD', tag .. key)
    else
      find_chunk(index_of(key), old.ms)
    end
  end
  call('ZREM', home_key(old.home, old.ms), old.member)
  for _, key in ipairs(keys) do
    if byte(key) == 110 then
      call('ZREM', tag .. key, reference)
    else
      remove_reference(index_of(key), old.ms, reference)
    end
  end
end

local function record_new(bucket, field, member, value, ms, home, first, last)
  undo_bucket, undo_field = bucket, field
  prepare(ms, first, last)
  local stored = add(member, value, ms, ARGV[first - 3], home, first, last)
  if stored ~= value then
    call('HSET', bucket, field, stored)
  end
  entries = entries + 1
  if entries > buckets * LOAD then
    grow_id_index()
  end
  return '1'
end

-- Records the call whose arguments begin at `at`. Returns its outcome.
local function record(at, last)
  local member, field, value, home = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local ms, first = tonumber(ARGV[at + 3]), at + 6
  local bucket = bucket_of(field)
  if call('HSETNX', bucket, field, value) == 1 then
    return record_new(bucket, field, member, value, ms, home, first, last)
  end
  local entry = call('HGET', bucket, field)
  if entry == value and call('ZSCORE', home_key(home, ms), member) then
    return '3'
  end
  -- The field is this id's, unless the id has the longer one: then another id with the same 8 bytes came first. (Both may
  -- stand in the same place, so that finding the record there would prove nothing.)
  local packed_id = packed_id_of(member)
  local longer = '=' .. field .. sub(packed_id, byte(packed_id, 2) < 128 and 3 or 4)
  local own = call('HGET', bucket, longer)
  local old = find_record(own or entry, packed_id)
  if own then
    field = longer
  elseif not old then
    call('HSET', bucket, longer, value)
    return record_new(bucket, longer, member, value, ms, home, first, last)
  end
  if not old then
    error('the id index names a record that is not there')
  end
  if old.ms == ms and old.numbers == sub(value, 7) and sub(old.member, old.long and 6 or 5) == sub(member, 5) then
    return '3'
  end
  prepare(ms, first, last)
  call('ZCARD', home_key(home, ms))
  remove(old, packed_id)
  prepare(ms, first, last)
  call('HSET', bucket, field, add(member, value, ms, ARGV[first - 3], home, first, last))
  return '2'
end

local state = call('HMGET', meta, 'n', 'b')
entries = tonumber(state[1]) or 0
set_buckets(tonumber(state[2]) or 1)
local before = entries
load_indexes()

local outcomes = {}
local good, problem = pcall(function()
  local at = 2
  while ARGV[at] do
    local last = at + 5 + tonumber(ARGV[at + 5])
    outcomes[#outcomes + 1] = record(at, last)
    at = last + 1
  end
end)

-- Totals are written once per script call, also after a failure: they say what was done.
if not good and undo_bucket then
  call('HDEL', undo_bucket, undo_field)
end
if entries ~= before then
  call('HSET', meta, 'n', entries, 'b', buckets)
end
store_indexes()
if not good then
  return { err = type(problem) == 'table' and problem.err or tostring(problem) }
end
return table.concat(outcomes)

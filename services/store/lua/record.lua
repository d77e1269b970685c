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
-- Within a call all reads come before the first write, so that a key of a
-- foreign type is met while nothing is written yet.
local CHUNK = 128 -- entries of a chunk; redis.conf keeps sets up to this as listpacks
local LOAD = 40   -- entries per bucket on average; the fullest hold about twice that, still a listpack
local BATCH = 500 -- pairs in one command that moves entries

local entries
local indexes = {}

-- An index in chunks, with the chunk that was used last: it holds [low, high), its scores count from `base`.
local function index_of(suffix)
  local index = indexes[suffix]
  if not index then
    local number = sub(suffix, 2)
    index = {
      directory = tag .. suffix,
      prefix = suffix == 't' and tag .. 'u' or tag .. 'y' .. number .. ':',
      field = number,
      added = 0,
    }
    indexes[suffix] = index
  end
  return index
end

local function use_chunk(index, low, high, name, size)
  index.low, index.high, index.name, index.size = low, high, name, size
  index.base, index.key = tonumber(name), index.prefix .. name
end

-- Makes the chunk whose range holds ms the one in use; index.low is nil when the index is empty.
local function find_chunk(index, ms)
  if index.low and ms >= index.low and ms < index.high then
    return
  end
  index.low = nil
  local high = math.huge
  local found = call('ZRANGE', index.directory, -1, -1, 'WITHSCORES')
  if not found[1] then
    return
  end
  if ms < tonumber(found[2]) then
    found = call('ZREVRANGEBYSCORE', index.directory, ms, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local after = call('ZRANGEBYSCORE', index.directory, '(' .. found[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    high = tonumber(after[2])
  end
  use_chunk(index, tonumber(found[2]), high, found[1], call('ZCARD', index.prefix .. found[1]))
end

-- Enters a new chunk in the directory. Its name is the number that its scores count from, near ms and not taken yet.
local function open_chunk(index, low, ms)
  local name
  repeat
    name = string.format('%.0f', ms)
    ms = ms + 1
  until not call('ZSCORE', index.directory, name) and call('EXISTS', index.prefix .. name) == 0
  call('ZADD', index.directory, low, name)
  return name
end

-- Moves the upper half of the chunk in use to a new one; entries of one ms stay together.
local function split_chunk(index, ms)
  local all = call('ZRANGE', index.key, 0, -1, 'WITHSCORES')
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
  local pivot = index.base + tonumber(all[2 * cut])
  local name = open_chunk(index, pivot, pivot)
  local shift = index.base - tonumber(name)
  for first = cut, count, BATCH do
    local pairs_of_batch = {}
    for i = first, math.min(first + BATCH - 1, count) do
      pairs_of_batch[#pairs_of_batch + 1] = tonumber(all[2 * i]) + shift
      pairs_of_batch[#pairs_of_batch + 1] = all[2 * i - 1]
    end
    call('ZADD', index.prefix .. name, unpack(pairs_of_batch))
  end
  call('ZREMRANGEBYRANK', index.key, cut - 1, -1)
  if ms >= pivot then
    use_chunk(index, pivot, index.high, name, count - cut + 1)
  else
    use_chunk(index, index.low, pivot, index.name, cut - 1)
  end
end

-- Makes the chunk in use one that holds ms and has room. The first chunk of an index begins at 0: every ms has a chunk.
local function make_room(index, ms)
  find_chunk(index, ms)
  if not index.low then
    use_chunk(index, 0, math.huge, open_chunk(index, 0, ms), 0)
    return
  end
  if index.size < CHUNK then
    return
  end
  local least = index.base + tonumber(call('ZRANGE', index.key, 0, 0, 'WITHSCORES')[2])
  local most = index.base + tonumber(call('ZRANGE', index.key, -1, -1, 'WITHSCORES')[2])
  if ms > most then
    use_chunk(index, most + 1, index.high, open_chunk(index, most + 1, ms), 0)
  elseif ms < least then
    call('ZADD', index.directory, least, index.name)
    use_chunk(index, index.low, least, open_chunk(index, index.low, ms), 0)
  elseif least < most then
    split_chunk(index, ms)
  end
end

-- Adds a reference to the chunk in use. Whether it was new.
local function add_reference(index, ms, reference)
  if call('ZADD', index.key, ms - index.base, reference) == 0 then
    return false
  end
  index.size = index.size + 1
  index.added = index.added + 1
  return true
end

local function remove_reference(index, ms, reference)
  find_chunk(index, ms)
  if not index.low or call('ZREM', index.key, reference) == 0 then
    return
  end
  index.size = index.size - 1
  index.added = index.added - 1
  if index.size == 0 then
    call('ZREM', index.directory, index.name)
    local first = index.low == 0 and call('ZRANGE', index.directory, 0, 0)[1]
    if first then
      call('ZADD', index.directory, 0, first)
    end
    index.low = nil
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

-- Meets every key that will be written, before anything is; makes room in the indexes.
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

local function add(bucket, field, member, value, ms, home, first, last)
  local key = home_key(home, ms)
  local reference = sub(member, 1, 4) .. home
  local timeline = index_of('t')
  call('ZADD', key, ms, member)
  if not add_reference(timeline, ms, reference) then
    call('ZREM', key, member)
    call('ZADD', key, ms, sub(member, 1, 4) .. '\1' .. sub(member, 5))
    reference = long_reference(sub(member, 1, 4), packed_id_of(member), home)
    value = sub(value, 1, 6) .. '\1' .. sub(value, 7)
    add_reference(timeline, ms, reference)
  end
  for i = first, last do
    if byte(ARGV[i]) == 120 then
      add_reference(index_of(ARGV[i]), ms, reference)
    else
      call('ZADD', tag .. ARGV[i], ms, reference)
    end
  end
  call('HSET', bucket, field, value)
end

local function index_key(number)
  return (#number >= 7 and string.find(number, '^%+?%d+$') and 'n' or 'x') .. number
end

local function remove(old, packed_id)
  local digest = sub(old.member, 1, 4)
  local reference = old.long and long_reference(digest, packed_id, old.home) or digest .. old.home
  -- Type checks first, as in prepare().
  for _, number in ipairs(old.others) do
    local key = index_key(number)
    if byte(key) == 120 then
      find_chunk(index_of(key), old.ms)
    else
      call('ZCARD', tag .. key)
    end
  end
  find_chunk(index_of('t'), old.ms)
  call('ZREM', home_key(old.home, old.ms), old.member)
  remove_reference(index_of('t'), old.ms, reference)
  for _, number in ipairs(old.others) do
    local key = index_key(number)
    if byte(key) == 120 then
      remove_reference(index_of(key), old.ms, reference)
    else
      call('ZREM', tag .. key, reference)
    end
  end
end

-- Records the call whose arguments begin at `at`. Returns its outcome.
local function record(at, last)
  local member, field, value, home = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 4]
  local ms = tonumber(ARGV[at + 3])
  local first = at + 6
  local bucket = bucket_of(field)
  local entry = call('HGET', bucket, field)
  if entry == value and call('ZSCORE', home_key(home, ms), member) then
    return '3'
  end
  local old, packed_id
  if entry then
    packed_id = packed_id_of(member)
    old = find_record(entry, packed_id)
    if not old then
      field = '=' .. field .. sub(packed_id, byte(packed_id, 2) < 128 and 3 or 4)
      entry = call('HGET', bucket, field)
      old = entry and find_record(entry, packed_id)
    end
  end
  if old and old.ms == ms and old.numbers == sub(value, 7) and sub(old.member, old.long and 6 or 5) == sub(member, 5) then
    return '3'
  end
  prepare(ms, first, last)
  if old then
    call('ZCARD', home_key(home, ms))
    remove(old, packed_id)
    prepare(ms, first, last)
  end
  add(bucket, field, member, value, ms, home, first, last)
  if not entry then
    entries = entries + 1
    if entries > buckets * LOAD then
      grow_id_index()
    end
  end
  return old and '2' or '1'
end

local state = call('HMGET', meta, 'n', 'b')
call('HLEN', tag .. 'c')
entries = tonumber(state[1]) or 0
set_buckets(tonumber(state[2]) or 1)
local before = entries

local outcomes = {}
local good, problem = pcall(function()
  local at = 2
  while ARGV[at] do
    local last = at + 5 + tonumber(ARGV[at + 5])
    outcomes[#outcomes + 1] = record(at, last)
    at = last + 1
  end
end)

-- Totals are written once per script call, also after a failure: they count what was done.
if entries ~= before then
  call('HSET', meta, 'n', entries, 'b', buckets)
end
for _, index in pairs(indexes) do
  if index.added ~= 0 then
    call('HINCRBY', tag .. 'c', index.field, index.added)
  end
end
if not good then
  return { err = type(problem) == 'table' and problem.err or tostring(problem) }
end
return table.concat(outcomes)

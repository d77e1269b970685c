-- Records calls, each wholly or not at all; see store/layout.md.
--
-- KEYS[1]  <tag>m
-- ARGV[1]  the tenant's tag in braces
-- ARGV[2]  the calls, each packed as CALL tells
-- ARGV[3]  how many of the arguments behind this one are numbers of an index in chunks; the others are outside ones
-- then the numbers that calls name beside their home, each once
--
-- Returns a string with a digit per call: 1 recorded, 2 replaced, 3 unchanged.
--
-- Within a call all keys are met before the first write but the id index', so
-- that a key of a foreign type is found while that one can still be undone.
-- Each redis.call costs more than all that Lua does in between, and each
-- argument of the script more than unpacking a piece of one: a new call takes
-- one command for the id index, its home and each further number, and shares
-- one for the time line.
local LOAD = 16   -- entries per bucket on average: each id looks through its whole bucket; fewer would cost memory
local BATCH = 500 -- pairs in one command that moves entries

-- Of a call: first 4 bytes of the id index' field, start in ms and as a score, field and value of the id index, key of the
-- home set, reference as in chunks, member of the home set (digest .. packed Call), number of further numbers; then 2 bytes for each of
-- these: its place among the numbers of its kind, counted from 0; the highest bit is set for outside ones.
local CALL = '>I4I6Bc0c8I2c0Bc0Bc0I3c0I2'

-- Of an index: how many references, then of its last chunk entries (0: there is none), beginning and name.
local STATE = '>LLLL'

local pack = struct.pack
local blob, extensions = ARGV[2], tonumber(ARGV[3])
local NUMBERS = 3 -- arguments in front of the numbers
local state_key = tag .. 'c'
local timeline_prefix, extension_prefix = tag .. 'u', tag .. 'y'
local entries
local indexes = {} -- by number
local timeline
local undo_bucket, undo_field

-- Scores of chunks count down from the chunk's name, so the newest entry is the first: Redis looks for an entry's place from
-- the first one on, and calls mostly come in order of time. (A number given to redis.call would be written out by a slow printf.)
local function text(number)
  return format('%d', number)
end

local function directory_of(index)
  return index == timeline and tag .. 't' or tag .. 'x' .. index.number
end

local function chunk_key(index, name)
  if index == timeline then
    return timeline_prefix .. name
  end
  return extension_prefix .. index.number .. ':' .. name
end

local function new_chunk(index, low, high, base, size)
  return { low = low, high = high, base = base, key = chunk_key(index, text(base)), size = size }
end

-- An index in chunks: its total, its last chunk, and the one in use (nil: none yet). `state` is its field of <tag>c.
local function new_index(number, state)
  local index = { number = number, total = 0, last = nil, chunk = nil, changed = false }
  indexes[number] = index
  if number == '' then
    timeline = index
  end
  if state then
    local total, size, low, base = unpack_struct(STATE, state)
    index.total = total
    if size > 0 then
      index.last = new_chunk(index, low, math.huge, base, size)
    end
  end
  return index
end

local function index_of(number)
  return indexes[number] or new_index(number, call('HGET', state_key, number))
end

-- Reads the states of all indexes that the calls name, in one go.
local function load_indexes()
  local states = call('HMGET', state_key, '', unpack(ARGV, NUMBERS + 1, NUMBERS + extensions))
  new_index('', states[1])
  for i = 1, extensions do
    new_index(ARGV[NUMBERS + i], states[i + 1])
  end
end

local function store_indexes()
  local states, count = {}, 0
  for number, index in pairs(indexes) do
    if index.changed then
      local last = index.last
      states[count + 1] = number
      states[count + 2] = pack(STATE, index.total, last and last.size or 0, last and last.low or 0, last and last.base or 0)
      count = count + 2
    end
  end
  if count > 0 then
    call('HSET', state_key, unpack(states))
  end
end

-- The time line's chunk in use is known by heart: what it holds is read once, and what it gets goes out in one command
-- before anybody looks. (Not a chunk that is one crowded millisecond: that may hold any number of entries.)
local known, members
local waiting, waiting_count = {}, 0

local function flush_timeline()
  if waiting_count > 0 then
    local count = waiting_count
    waiting_count = 0
    call('ZADD', known.key, unpack(waiting, 1, count))
  end
end

local function know(chunk)
  flush_timeline()
  known, members = chunk, {}
  if chunk.size > 0 then
    for _, member in ipairs(call('ZRANGE', chunk.key, 0, -1)) do
      members[member] = true
    end
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
  flush_timeline()
  local directory = directory_of(index)
  local found = call('ZREVRANGEBYSCORE', directory, text(ms) .. SEALED, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  local after = call('ZRANGEBYSCORE', directory, '(' .. found[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  chunk = new_chunk(index, start_of(found[2]), start_of(after[2]), tonumber(found[1]), 0)
  chunk.size = call('ZCARD', chunk.key)
  index.chunk = chunk
  return chunk
end

-- Enters a new chunk in the directory. Its name is the number that its scores count from, near ms and not taken yet.
local function open_chunk(index, low, high, ms, size)
  local directory = directory_of(index)
  while call('ZSCORE', directory, text(ms)) or call('EXISTS', chunk_key(index, text(ms))) == 1 do
    ms = ms + 1
  end
  call('ZADD', directory, text(low), text(ms))
  local chunk = new_chunk(index, low, high, ms, size)
  if high == math.huge then
    index.last = chunk
  end
  index.chunk = chunk
  index.changed = true
  return chunk
end

-- Enters a full chunk anew: as sealed, or as one whose size has to be asked for. What is not full never is sealed.
local function enter_full(index, chunk, mark)
  if chunk.size == CHUNK then
    call('ZADD', directory_of(index), text(chunk.low) .. mark, text(chunk.base))
  end
end

-- Moves the upper half of a chunk to a new one; entries of one ms stay together. Returns the one that holds ms.
local function split_chunk(index, chunk, ms)
  if chunk == known then
    known = nil
  end
  local all = call('ZREVRANGE', chunk.key, 0, -1, 'WITHSCORES')
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
  local pivot = chunk.base - tonumber(all[2 * cut])
  local upper = open_chunk(index, pivot, chunk.high, pivot, count - cut + 1)
  local shift = upper.base - chunk.base
  for first = cut, count, BATCH do
    local moved = {}
    for i = first, math.min(first + BATCH - 1, count) do
      moved[#moved + 1] = text(tonumber(all[2 * i]) + shift)
      moved[#moved + 1] = all[2 * i - 1]
    end
    call('ZADD', upper.key, unpack(moved))
  end
  call('ZREMRANGEBYRANK', chunk.key, 0, count - cut)
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
  flush_timeline()
  local most = chunk.base - tonumber(call('ZRANGE', chunk.key, 0, 0, 'WITHSCORES')[2])
  local least = chunk.base - tonumber(call('ZRANGE', chunk.key, -1, -1, 'WITHSCORES')[2])
  if ms > most then
    local high = chunk.high
    chunk.high = most + 1
    enter_full(index, chunk, SEALED)
    return open_chunk(index, most + 1, high, ms, 0)
  end
  if ms < least then
    local low = chunk.low
    chunk.low = least
    call('ZADD', directory_of(index), text(least), text(chunk.base))
    enter_full(index, chunk, SEALED)
    return open_chunk(index, low, least, ms, 0)
  end
  enter_full(index, chunk, '')
  return least < most and split_chunk(index, chunk, ms) or chunk
end

-- Whether the time line's chunk in use has this reference, which then is another call's.
local function is_taken(reference)
  local chunk = timeline.chunk
  if chunk.size >= CHUNK then
    return call('ZSCORE', chunk.key, reference)
  end
  if chunk ~= known then
    know(chunk)
  end
  return members[reference]
end

local function count_reference(index, chunk)
  chunk.size = chunk.size + 1
  index.total = index.total + 1
  index.changed = true
end

-- Adds a reference that is not there yet to the time line's chunk in use.
local function add_to_timeline(ms, reference)
  local chunk = timeline.chunk
  local score = text(chunk.base - ms)
  if chunk == known then
    members[reference] = true
    waiting[waiting_count + 1], waiting[waiting_count + 2] = score, reference
    waiting_count = waiting_count + 2
  else
    call('ZADD', chunk.key, score, reference)
  end
  count_reference(timeline, chunk)
end

-- Adds a reference to the chunk in use. False when the chunk has it already, of another call.
local function add_reference(index, ms, reference)
  local chunk = index.chunk
  if call('ZADD', chunk.key, 'NX', text(chunk.base - ms), reference) == 0 then
    return false
  end
  count_reference(index, chunk)
  return true
end

-- Takes an empty chunk out of the directory; the first one left begins at 0 again.
local function drop_chunk(index, chunk)
  local directory = directory_of(index)
  call('ZREM', directory, text(chunk.base))
  local first = chunk.low == 0 and call('ZRANGE', directory, 0, 0)[1]
  if first then
    call('ZADD', directory, 0, first)
  end
  local last = call('ZRANGE', directory, -1, -1, 'WITHSCORES')
  index.chunk, index.last = nil, nil
  if last[1] then
    index.last = new_chunk(index, start_of(last[2]), math.huge, tonumber(last[1]), 0)
    index.last.size = call('ZCARD', index.last.key)
  end
end

local function remove_reference(index, ms, reference)
  local chunk = find_chunk(index, ms)
  if not chunk or call('ZREM', chunk.key, reference) == 0 then
    return false
  end
  enter_full(index, chunk, '')
  chunk.size = chunk.size - 1
  index.total = index.total - 1
  index.changed = true
  if chunk.size == 0 then
    drop_chunk(index, chunk)
  end
  return true
end

-- Splits one bucket of the id index: each step adds one, so that no step is long.
local function grow_id_index()
  local from, to = bucket_prefix .. hex(buckets - power), bucket_prefix .. hex(buckets)
  local all = call('HGETALL', from)
  local moved, gone, count = {}, {}, 0
  local target, modulus = buckets, power * 2
  for i = 1, #all, 2 do
    local field = all[i]
    if hash_of(field) % modulus == target then
      count = count + 1
      gone[count] = field
      moved[2 * count - 1], moved[2 * count] = field, all[i + 1]
    end
  end
  for first = 1, count, BATCH do
    local last = math.min(first + BATCH - 1, count)
    call('HSET', to, unpack(moved, 2 * first - 1, 2 * last))
    call('HDEL', from, unpack(gone, first, last))
  end
  set_buckets(buckets + 1)
end

local function packed_id_of(member)
  local length = byte(member, 6)
  return sub(member, 5, length < 128 and 6 + length or 7 + length - 128 + byte(member, 7) * 128)
end

-- What follows the digest in a reference that names the whole id: for the second call with the same digest and home.
local function long_rest(packed_id, home)
  return '\2' .. sub(packed_id, 2) .. home
end

-- In chunks, whose order is the other way round, references begin with the digest's complement.
local function complement(digest)
  local a, b, c, d = byte(digest, 1, 4)
  return string.char(255 - a, 255 - b, 255 - c, 255 - d)
end

-- Further numbers of the call under way; and their indexes in chunks, false for outside ones.
local further_number, further_index = {}, {}

local function read_further(at, count)
  for i = 1, count do
    local high, low = byte(blob, at, at + 1)
    local number
    if high < 128 then
      number = ARGV[NUMBERS + 1 + high * 256 + low]
      further_index[i] = indexes[number]
    else
      number = ARGV[NUMBERS + 1 + extensions + (high - 128) * 256 + low]
      further_index[i] = false
    end
    further_number[i] = number
    at = at + 2
  end
end

-- Meets every key that will be written, and makes room in the indexes.
local function prepare(ms, count)
  make_room(timeline, ms)
  for i = 1, count do
    if further_index[i] then
      make_room(further_index[i], ms)
    else
      call('ZCARD', tag .. 'n' .. further_number[i])
    end
  end
end

-- Adds the references of the call's further numbers. Where another call's short one stands already, the long one tells them
-- apart.
local function add_further(member, ms, score, reference, count)
  for i = 1, count do
    local index = further_index[i]
    if index then
      if not add_reference(index, ms, reference) then
        add_reference(index, ms, sub(reference, 1, 4) .. long_rest(packed_id_of(member), sub(reference, 5)))
      end
    else
      local key, digest, rest = tag .. 'n' .. further_number[i], sub(member, 1, 4), sub(reference, 5)
      if call('ZADD', key, 'NX', score, digest .. rest) == 0 then
        call('ZADD', key, score, digest .. long_rest(packed_id_of(member), rest))
      end
    end
  end
end

-- Writes a call into its sets. Returns the value that the id index shall hold.
local function add(key, member, value, ms, score, reference, count)
  if is_taken(reference) then
    reference = sub(reference, 1, 4) .. long_rest(packed_id_of(member), sub(reference, 5))
    member = sub(member, 1, 4) .. '\1' .. sub(member, 5)
    value = sub(value, 1, 6) .. '\1' .. sub(value, 7)
  end
  call('ZADD', key, score, member)
  undo_bucket = nil
  add_to_timeline(ms, reference)
  add_further(member, ms, score, reference, count)
  return value
end

local function is_outside(number)
  return #number >= 7 and #number <= 64 and string.find(number, '^%+?%d+$')
end

-- Takes a call out of its sets. A reference that is not long may be where another call's stood first: the long one is asked
-- for before it.
local function remove(old, packed_id)
  flush_timeline()
  known = nil
  -- All are met before the first write, as in prepare().
  find_chunk(timeline, old.ms)
  for _, number in ipairs(old.others) do
    if is_outside(number) then
      call('ZCARD', tag .. 'n' .. number)
    else
      find_chunk(index_of(number), old.ms)
    end
  end
  local digest = sub(old.member, 1, 4)
  local reversed, long = complement(digest), long_rest(packed_id, old.home)
  call('ZREM', home_key(tag, old.home, old.ms), old.member)
  remove_reference(timeline, old.ms, reversed .. (old.long and long or old.home))
  for _, number in ipairs(old.others) do
    if is_outside(number) then
      local key = tag .. 'n' .. number
      if call('ZREM', key, digest .. long) == 0 and not old.long then
        call('ZREM', key, digest .. old.home)
      end
    else
      local index = index_of(number)
      if not remove_reference(index, old.ms, reversed .. long) and not old.long then
        remove_reference(index, old.ms, reversed .. old.home)
      end
    end
  end
end

local function record_new(bucket, field, key, member, value, ms, score, reference, count)
  undo_bucket, undo_field = bucket, field
  prepare(ms, count)
  local stored = add(key, member, value, ms, score, reference, count)
  if stored ~= value then
    call('HSET', bucket, field, stored)
  end
  entries = entries + 1
  if entries > buckets * LOAD then
    grow_id_index()
  end
  return '1'
end

-- Records a call whose id may be there already.
local function record_again(bucket, field, key, member, value, ms, score, reference, count)
  local entry = call('HGET', bucket, field)
  if entry == value and call('ZSCORE', key, member) then
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
    return record_new(bucket, longer, key, member, value, ms, score, reference, count)
  end
  if not old then
    error('the id index names a record that is not there')
  end
  if old.ms == ms and old.numbers == sub(value, 7) and sub(old.member, old.long and 6 or 5) == sub(member, 5) then
    return '3'
  end
  prepare(ms, count)
  call('ZCARD', key)
  remove(old, packed_id)
  prepare(ms, count)
  call('HSET', bucket, field, add(key, member, value, ms, score, reference, count))
  return '2'
end

-- Records the call that begins at `at`. Returns its outcome and where the next one begins.
local function record(at)
  local hash, ms, score, field, value, key, reference, member, count, last = unpack_struct(CALL, blob, at)
  local bucket = bucket_key(hash)
  read_further(last, count)
  local once = call('HSETNX', bucket, field, value) == 1 and record_new or record_again
  return once(bucket, field, key, member, value, ms, score, reference, count), last + 2 * count
end

local state = call('HMGET', meta, 'n', 'b')
entries = tonumber(state[1]) or 0
set_buckets(tonumber(state[2]) or 1)
local before = entries
load_indexes()

local outcomes = {}
local good, problem = pcall(function()
  local at, count = 1, 0
  while at <= #blob do
    count = count + 1
    outcomes[count], at = record(at)
  end
end)

-- Written once per script call, also after a failure: they say what was done.
local flushed, problem_then = pcall(flush_timeline)
if good and not flushed then
  good, problem = false, problem_then
end
if not good and undo_bucket then
  call('HDEL', undo_bucket, undo_field)
end
if entries ~= before then
  call('HSET', meta, 'n', entries, 'b', buckets)
end
store_indexes()
if not good then
  local told = type(problem) == 'table' and problem.err or tostring(problem)
  -- Redis's own errors begin with their code.
  return { err = string.find(told, '^%u+ ') and told or 'ERR ' .. told }
end
return table.concat(outcomes)

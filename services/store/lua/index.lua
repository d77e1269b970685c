-- Writing to an index in chunks: the tenant's time line ("t") or an extension ("x101"); services/store/layout.md describes it.
-- A state is read once and written once per script call. The head is the newest chunk; the directory has the others' sizes.
local CHUNK = 106   -- entries of a full chunk: a listpack may have 128, and 98 to 101 entries of 30 bytes fill what jemalloc gives
local KEEP = 8      -- entries that move to the new head when the head is full: calls arrive nearly in order of time
local OLDEST = 2048 -- the bound of the oldest chunk: above every score
local BATCH = 1000  -- values in one command
local STATE = '>I6I4l' -- calls in the index, entries of the head, bound of the head
local states = tag .. 'c'
local indexes = {} -- by name
-- An index, by position: its name, whether its state changed, and the state (bound: false without a chunk).
local NAME, CHANGED, TOTAL, SIZE, BOUND = 1, 2, 3, 4, 5

local function make_index(name, state)
  indexes[name] = state and { name, false, struct_unpack(STATE, state) } or { name, false, 0, 0, false }
  return indexes[name]
end

local function index_of(name) return indexes[name] or make_index(name, call('HGET', states, name)) end

-- Sends a command with any number of values, an even number at a time.
local function batched(command, key, values)
  for first = 1, #values, BATCH do
    call(command, key, unpack(values, first, math.min(first + BATCH - 1, #values)))
  end
end

local function store_indexes()
  local changed = {}
  for name, index in pairs(indexes) do
    local state = index[CHANGED] and index[BOUND] and struct_pack(STATE, index[TOTAL], index[SIZE], index[BOUND])
    if state then
      changed[#changed + 1], changed[#changed + 2] = name, state
    elseif index[CHANGED] then
      call('HDEL', states, name)
    end
  end
  batched('HSET', states, changed)
end

-- Finds or creates the chunk for a score: its key, bound and size, and its name in the directory (nil for the head).
local function find_chunk(index, score, create)
  local head = index[BOUND]
  if head and score < head then
    return chunk_key(index[NAME], head), head, index[SIZE]
  end
  local directory = tag .. index[NAME]
  local name = head and call('ZRANGEBYSCORE', directory, format('(%d', score), '+inf', 'LIMIT', 0, 1)[1]
  if name then
    local size, bound = parse_name(name)
    return chunk_key(index[NAME], bound), bound, size, name
  elseif create then
    local key = chunk_key(index[NAME], OLDEST)
    name = chunk_name(0, OLDEST)
    call('ZCARD', key) -- fails before the first write if the key has a foreign type
    call('ZADD', directory, OLDEST, name)
    index[BOUND] = head or OLDEST
    return key, OLDEST, 0, head and name
  end
end

-- Sets the size of a chunk. One that becomes empty leaves the directory, and its range falls to the next older one.
local function set_size(index, bound, size, name)
  index[SIZE] = name and index[SIZE] or size
  if not name and size > 0 then
    return
  end
  local directory = tag .. index[NAME]
  call('ZREM', directory, name or chunk_name(0, bound))
  if size > 0 then
    call('ZADD', directory, bound, chunk_name(size, bound))
  elseif not name then
    local newest = call('ZRANGE', directory, 0, 0)[1]
    index[BOUND] = false
    if newest then
      index[SIZE], index[BOUND] = parse_name(newest)
      call('ZREM', directory, newest)
      call('ZADD', directory, index[BOUND], chunk_name(0, index[BOUND]))
    end
  end
end

-- Moves the newest entries of a full chunk to a new one. Calls with one score stay together, if need be in a growing chunk.
local function split_chunk(index, key, bound, size, name)
  local directory, moving = tag .. index[NAME], name and CHUNK / 2 or KEEP
  local entries, moved = call('ZRANGE', key, 0, moving, 'WITHSCORES'), {}
  local pivot = entries[2 * moving + 2]
  while moving > 0 and entries[2 * moving] == pivot do
    moving = moving - 1
  end
  if moving == 0 then
    return
  end
  for i = 1, 2 * moving, 2 do
    moved[i], moved[i + 1] = entries[i + 1], entries[i]
  end
  pivot = tonumber(pivot)
  local target = chunk_key(index[NAME], pivot)
  call('ZCARD', target) -- fails before the first write if the key has a foreign type
  call('ZREM', directory, name or chunk_name(0, bound))
  call('ZADD', directory, bound, chunk_name(size - moving, bound), pivot, chunk_name(name and moving or 0, pivot))
  call('ZADD', target, unpack(moved))
  call('ZREMRANGEBYRANK', key, 0, moving - 1)
  if not name then
    index[SIZE], index[BOUND] = moving, pivot
  end
end

-- Adds references of calls. Those that are newer than the bound of the head go there at once, until it is full.
local function index_add(index, calls)
  local at, count = 1, #calls
  while at <= count do
    local first, values = calls[at], nil
    local key, bound, size, name = find_chunk(index, first[SCORE], true)
    local last = name and at or math.min(count, at + CHUNK - size)
    at = at + 1
    while at <= last and calls[at][SCORE] < bound do
      values = values or { first[TEXT], first[REFERENCE] }
      values[#values + 1], values[#values + 2] = calls[at][TEXT], calls[at][REFERENCE]
      at = at + 1
    end
    local added = values and call('ZADD', key, unpack(values)) or call('ZADD', key, first[TEXT], first[REFERENCE])
    if added > 0 then
      size = size + added
      index[TOTAL], index[CHANGED] = index[TOTAL] + added, true
      set_size(index, bound, size, name)
      if size > CHUNK and size % CHUNK == 1 then
        split_chunk(index, key, bound, size, name and chunk_name(size, bound))
      end
    end
  end
end

local function index_remove(index, call_of)
  local key, bound, size, name = find_chunk(index, call_of[SCORE], false)
  if key and call('ZREM', key, call_of[REFERENCE]) == 1 then
    index[TOTAL], index[CHANGED] = index[TOTAL] - 1, true
    set_size(index, bound, size - 1, name)
  end
end

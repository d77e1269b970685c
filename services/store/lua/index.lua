-- Writing to an index in chunks: the tenant's time line ("t") or an extension ("x101"); services/store/layout.md describes it.
-- A state is read once and written once per script call. The head is the newest chunk; the directory has the others' sizes.
local CHUNK = 64    -- entries of a full chunk; Redis reads a whole listpack for each entry that it adds
local KEEP = 8      -- entries that move to the new head when the head is full: calls arrive nearly in order of time
local OLDEST = 2048 -- the bound of the oldest chunk: above every score
local BATCH = 1000  -- values in one command
local STATE = '>I6I4l' -- calls in the index, entries of the head, bound of the head
local states = tag .. 'c'
local indexes = {} -- by name

local function entry_name(size, bound) return size .. ':' .. text(bound) end

local function parse_name(name)
  local colon = find(name, ':', 1, true)
  return tonumber(sub(name, 1, colon - 1)), tonumber(sub(name, colon + 1))
end

local function chunk_key(index, bound) return tag .. 'k' .. index.name .. ':' .. text(bound) end

local function set_head(index, bound, size)
  index.bound, index.size, index.head = bound, size, bound and chunk_key(index, bound)
end

local function make_index(name, state)
  local index = { name = name, directory = tag .. name, total = 0, size = 0 }
  if state then
    local total, size, bound = struct_unpack(STATE, state)
    index.total = total
    set_head(index, bound, size)
  end
  indexes[name] = index
  return index
end

-- Reads the states of many indexes.
local function load_indexes(names)
  for first = 1, #names, BATCH do
    local read = call('HMGET', states, unpack(names, first, math.min(first + BATCH - 1, #names)))
    for i = 1, #read do
      make_index(names[first + i - 1], read[i])
    end
  end
end

local function index_of(name) return indexes[name] or make_index(name, call('HGET', states, name)) end

-- Sends a command with any number of values, an even number at a time.
local function batched(command, key, values)
  for first = 1, #values, BATCH do
    call(command, key, unpack(values, first, math.min(first + BATCH - 1, #values)))
  end
end

local function store_indexes()
  local changed, emptied = {}, {}
  for name, index in pairs(indexes) do
    if index.changed and index.bound then
      changed[#changed + 1] = name
      changed[#changed + 1] = struct_pack(STATE, index.total, index.size, index.bound)
    elseif index.changed then
      emptied[#emptied + 1] = name
    end
  end
  batched('HSET', states, changed)
  batched('HDEL', states, emptied)
end

-- Finds or creates the chunk for a score: its key, bound and size, and its name in the directory (nil for the head).
local function find_chunk(index, score, create)
  if index.bound and score < index.bound then
    return index.head, index.bound, index.size
  end
  local name = index.bound and call('ZRANGEBYSCORE', index.directory, '(' .. text(score), '+inf', 'LIMIT', 0, 1)[1]
  if name then
    local size, bound = parse_name(name)
    return chunk_key(index, bound), bound, size, name
  elseif create then
    local key = chunk_key(index, OLDEST)
    name = entry_name(0, OLDEST)
    call('ZCARD', key) -- fails before the first write if the key has a foreign type
    call('ZADD', index.directory, OLDEST, name)
    name = index.bound and name
    if not name then
      set_head(index, OLDEST, 0)
    end
    return key, OLDEST, 0, name
  end
end

-- Sets the size of a chunk. One that becomes empty leaves the directory, and its range falls to the next older one.
local function set_size(index, bound, size, name)
  index.size = name and index.size or size
  if not name and size > 0 then
    return
  end
  call('ZREM', index.directory, name or entry_name(0, bound))
  if size > 0 then
    call('ZADD', index.directory, bound, entry_name(size, bound))
  elseif not name then
    local newest = call('ZRANGE', index.directory, 0, 0)[1]
    set_head(index, nil, 0)
    if newest then
      size, bound = parse_name(newest)
      call('ZREM', index.directory, newest)
      call('ZADD', index.directory, bound, entry_name(0, bound))
      set_head(index, bound, size)
    end
  end
end

-- Moves the newest entries of a full chunk to a new one. Calls with one score stay together, if need be in a growing chunk.
local function split_chunk(index, key, bound, size, name)
  local rank = name and CHUNK / 2 or KEEP
  local pivot = tonumber(call('ZRANGE', key, rank, rank, 'WITHSCORES')[2])
  local moving = call('ZCOUNT', key, '-inf', '(' .. text(pivot))
  if moving == 0 then
    return
  end
  local target = chunk_key(index, pivot)
  call('ZCARD', target) -- fails before the first write if the key has a foreign type
  call('ZREM', index.directory, name or entry_name(0, bound))
  call('ZADD', index.directory, bound, entry_name(size - moving, bound), pivot, entry_name(name and moving or 0, pivot))
  local entries = call('ZRANGE', key, 0, moving - 1, 'WITHSCORES')
  for i = 1, 2 * moving, 2 do
    entries[i], entries[i + 1] = entries[i + 1], entries[i]
  end
  batched('ZADD', target, entries)
  call('ZREMRANGEBYRANK', key, 0, moving - 1)
  if not name then
    set_head(index, pivot, moving)
  end
end

local function index_add(index, call_of, reference)
  local key, bound, size, name = find_chunk(index, call_of.score, true)
  if call('ZADD', key, call_of.text, reference) == 0 then
    return
  end
  index.total, index.changed, size = index.total + 1, true, size + 1
  set_size(index, bound, size, name)
  if size > CHUNK and size % CHUNK == 1 then
    split_chunk(index, key, bound, size, name and entry_name(size, bound))
  end
end

local function index_remove(index, call_of, reference)
  local key, bound, size, name = find_chunk(index, call_of.score, false)
  if key and call('ZREM', key, reference) == 1 then
    index.total, index.changed = index.total - 1, true
    set_size(index, bound, size - 1, name)
  end
end

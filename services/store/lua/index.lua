-- Writing to an index in chunks: the tenant's time line ("t") or an extension ("x101"); services/store/layout.md describes it.
-- A state is read once and written once per script call.
local CHUNK = 121   -- entries from which on a chunk is cut in two: a head into FULL older ones and the newest, another into halves
local FULL = 113    -- they fill what jemalloc gives, 3,072 bytes
local OLDEST, BATCH = 2048, 1000 -- the bound of the oldest chunk, above every score; values in one command
local indexes = {} -- by name
-- An index, by position: its name, whether its state changed, and the state.
local NAME, CHANGED, TOTAL, SIZE, BOUND, NEWEST = 1, 2, 3, 4, 5, 6

local function make_index(name, state)
  indexes[name] = state and { name, false, struct_unpack(STATE, state) } or { name, false, 0, 0, OLDEST, OLDEST }
  return indexes[name]
end

local function index_of(name) return indexes[name] or make_index(name, call('HGET', meta, name)) end

-- Sends a command with any number of values, an even number at a time.
local function batched(command, key, values)
  for first = 1, #values, BATCH do
    call(command, key, unpack(values, first, min(first + BATCH - 1, #values)))
  end
end

local function store_indexes(changed)
  for name, index in pairs(indexes) do
    if index[CHANGED] and index[TOTAL] > 0 then
      local state = struct_pack(STATE, index[TOTAL], index[SIZE], index[BOUND], index[NEWEST])
      changed[#changed + 1], changed[#changed + 2] = name, state
    elseif index[CHANGED] then
      call('HDEL', meta, name)
    end
  end
  batched('HSET', meta, changed)
end

-- Finds the chunk for a score: its bound, its name in the directory (nil: it is the head), the least score for it.
local function find_chunk(index, score)
  if score < index[BOUND] then
    return index[BOUND], nil, index[NEWEST]
  end
  local directory = tag .. index[NAME]
  local name = call('ZRANGEBYSCORE', directory, format('(%d', score), '+inf', 'LIMIT', 0, 1)[1] or chunk_name(0, OLDEST)
  local newer = call('ZREVRANGEBYSCORE', directory, text(score), '-inf', 'LIMIT', 0, 1)[1]
  local _, bound = parse_name(name)
  return bound, name, newer and select(2, parse_name(newer)) or index[BOUND]
end

local function score_at(content, at) return (struct_unpack('>l', content, ENTRY * at - ENTRY + 1)) end

-- Writes the entries of a chunk, and cuts it if there are too many. from: where the entries of the head begin to differ.
local function write_chunk(index, bound, name, content, from)
  local key, directory, size = chunk_key(index[NAME], bound), tag .. index[NAME], #content / ENTRY
  local change, cut = size - (name and parse_name(name) or index[SIZE]), 0
  if size >= CHUNK then -- calls with one score stay together, if need be in a growing chunk
    local score = score_at(content, (name and floor(size / 2) or FULL) + 1)
    cut = count_behind(content, score, LAST)
    cut = cut > 0 and cut or count_behind(content, score - 1, LAST) % size
  end
  if cut > 0 then
    local pivot = score_at(content, cut)
    call('ZCARD', directory) -- fails before the first write if the key has a foreign type
    call('SET', chunk_key(index[NAME], pivot), sub(content, ENTRY * cut + 1))
    if name then
      call('ZADD', directory, pivot, chunk_name(size - cut, pivot))
    else
      index[SIZE], index[BOUND] = size - cut, pivot
    end
    size, content, from = cut, sub(content, 1, ENTRY * cut), nil
  elseif not name then
    index[SIZE] = size
  end
  if name then
    call('ZREM', directory, name)
  end
  if size > 0 and (name or cut > 0) then
    call('ZADD', directory, bound, chunk_name(size, bound))
  end
  if size == 0 then
    call('DEL', key)
  elseif from and not name then
    call('SETRANGE', key, from, sub(content, from + 1))
  else
    call('SET', key, content)
  end
  index[TOTAL], index[CHANGED] = index[TOTAL] + change, true
end

local function join_entries(calls, first, last)
  local entries = {}
  for i = first, last do entries[#entries + 1] = calls[i][PACKED] end
  return table.concat(entries)
end

-- Adds entries of calls. One that is newer than all others, as nearly every one is, goes to the end of the head.
local function index_add(index, calls)
  local at, count = 1, #calls
  while at <= count do
    local score, first, newest = calls[at][SCORE], at, index[NEWEST]
    if score < newest then
      if index[SIZE] >= CHUNK then
        write_chunk(index, index[BOUND], nil, call('GET', chunk_key(index[NAME], index[BOUND])) or '')
      end
      repeat
        newest, at = score, at + 1
        score = at <= count and calls[at][SCORE]
      until not score or score >= newest or index[SIZE] + at - first >= CHUNK
      local entries = at - first == 1 and calls[first][PACKED] or join_entries(calls, first, at - 1)
      call('APPEND', chunk_key(index[NAME], index[BOUND]), entries)
      index[TOTAL], index[SIZE] = index[TOTAL] + at - first, index[SIZE] + at - first
      index[NEWEST], index[CHANGED] = newest, true
    else
      local bound, name, least = find_chunk(index, score)
      local content, from = call('GET', chunk_key(index[NAME], bound)) or '', math.huge
      repeat
        local new = calls[at]
        local position = ENTRY * count_behind(content, score, new[DIGEST])
        from = min(from, position)
        if not is_entry(content, position, new[PACKED]) then
          content = sub(content, 1, position) .. new[PACKED] .. sub(content, position + 1)
        end
        at = at + 1
        score = at <= count and calls[at][SCORE]
      until not score or score < least or score >= bound
      write_chunk(index, bound, name, content, from)
    end
  end
end

local function index_remove(index, call_of)
  local bound, name = find_chunk(index, call_of[SCORE])
  local content = call('GET', chunk_key(index[NAME], bound)) or ''
  local at = ENTRY * count_behind(content, call_of[SCORE], call_of[DIGEST])
  if is_entry(content, at, call_of[PACKED]) then
    write_chunk(index, bound, name, sub(content, 1, at) .. sub(content, at + ENTRY + 1))
  end
end

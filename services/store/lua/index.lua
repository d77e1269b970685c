-- What the scripts that read an index in chunks share.
--
-- KEYS[1]  the directory
-- ARGV[1]  prefix of its chunks; [2] and [3] first and last ms; [4] how many to pass over; [5] how many to read
-- ARGV[6]  the hash of states, and [7] the index's field there
local low, high = tonumber(ARGV[2]), tonumber(ARGV[3])
local skip, want = tonumber(ARGV[4]), tonumber(ARGV[5])

-- Reads references, newest first. Returns pairs: the number that a chunk's scores count down from, and an array of reference,
-- score, reference, score ...
local function read_index()
  local directory, prefix = KEYS[1], ARGV[1]
  local out = {}
  local bound, batch = ARGV[3] .. SEALED, 2

  -- Nothing stands behind the end: a page far past it must not walk the whole index.
  if skip > 0 then
    local state = redis.call('HGET', ARGV[6], ARGV[7])
    if state and #state >= 8 and struct.unpack('>I8', state) <= skip then
      return out
    end
  end

  -- Only the first chunk met can hold what is above the range, unless the range has no upper end.
  local topmost = high < 253402300799999

  while want > 0 do
    local chunks = redis.call('ZREVRANGEBYSCORE', directory, bound, '-inf', 'WITHSCORES', 'LIMIT', 0, batch)
    if not chunks[1] then
      break
    end
    for i = 1, #chunks, 2 do
      local score = chunks[i + 1]
      if skip >= CHUNK and not topmost and low <= 0 and is_sealed(score) then
        skip = skip - CHUNK
      else
        local key, base, start = prefix .. chunks[i], tonumber(chunks[i]), start_of(score)
        local whole = not topmost and start >= low
        topmost = false
        local count = skip + 1
        if skip > 0 and not whole then
          count = redis.call('ZCOUNT', key, base - high, base - low)
        elseif skip > 0 then
          count = is_sealed(score) and CHUNK or redis.call('ZCARD', key)
        end
        if count <= skip then
          skip = skip - count
        else
          local part
          if whole then
            part = redis.call('ZRANGE', key, skip, skip + want - 1, 'WITHSCORES')
          else
            part = redis.call('ZRANGEBYSCORE', key, base - high, base - low, 'WITHSCORES', 'LIMIT', skip, want)
          end
          skip = 0
          want = want - #part / 2
          out[#out + 1] = chunks[i]
          out[#out + 1] = part
        end
        if want <= 0 or start <= low then
          return out
        end
      end
    end
    bound, batch = '(' .. chunks[#chunks], 64
  end
  return out
end

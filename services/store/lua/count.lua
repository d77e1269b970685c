-- Counts references of an index in chunks.
--
-- KEYS[1]  the directory
-- ARGV[1]  prefix of its chunks; [2] and [3] first and last ms
local low, high = tonumber(ARGV[2]), tonumber(ARGV[3])
local chunks = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[3] .. SEALED, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
local total = 0
local batch = 256

-- The newest chunk in the range and the oldest may lie partly outside; all between them count whole.
local topmost = true
while chunks[1] do
  for i = 1, #chunks, 2 do
    local key, base = ARGV[1] .. chunks[i], tonumber(chunks[i])
    local start = start_of(chunks[i + 1])
    if topmost or start < low then
      total = total + redis.call('ZCOUNT', key, base - high, base - low)
    else
      total = total + (is_sealed(chunks[i + 1]) and CHUNK or redis.call('ZCARD', key))
    end
    topmost = false
    if start <= low then
      return total
    end
  end
  chunks = redis.call('ZREVRANGEBYSCORE', KEYS[1], '(' .. chunks[#chunks], '-inf', 'WITHSCORES', 'LIMIT', 0, batch)
end
return total

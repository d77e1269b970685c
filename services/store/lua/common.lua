-- What the scripts share: where the id index keeps an id, and what its entries say.
--
-- The id index is a linear hash: `buckets` hashes named <tag>i<hex number>, of
-- which one more is split off whenever the average load is passed. Field: 8
-- bytes of the id's SHA-256, or, for a second id with the same 8 bytes, "=" ..
-- those bytes .. the id. Value: 6 bytes of start time, an optional "\1" (the
-- references are long), home number, then "\0" .. number for each further one.
local tonumber = tonumber
local ARGV = ARGV
local hex = bit.tohex -- eight digits; string.format goes through a slow printf
local unpack_struct = struct.unpack
local meta, tag = KEYS[1], ARGV[1]

local bucket_prefix = tag .. 'i'

local buckets, power

-- Sets the number of buckets and the greatest power of two that is not above it.
local function set_buckets(count)
  buckets, power = count, 1
  while power * 2 <= count do
    power = power * 2
  end
end

local function hash_of(field)
  return (unpack_struct('>I4', field, #field > 8 and 2 or 1))
end

local function bucket_key(hash)
  local bucket = hash % power
  if bucket < buckets - power then
    bucket = hash % (power * 2)
  end
  return bucket_prefix .. hex(bucket)
end

-- Reads an entry of the id index and looks for the record with this packed id in its place. nil when it is not there.
local function find_record(value, packed_id)
  local a, b, c, d, e, f = byte(value, 1, 6)
  local ms = ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
  local long = byte(value, 7) == 1
  local numbers = sub(value, long and 8 or 7)
  local others = {}
  local home = string.match(numbers, '^%Z*')
  for number in string.gmatch(sub(numbers, #home + 1), '%z(%Z+)') do
    others[#others + 1] = number
  end
  local at = long and 6 or 5
  for _, member in ipairs(call('ZRANGEBYSCORE', home_key(tag, home, ms), ms, ms)) do
    if sub(member, at, at + #packed_id - 1) == packed_id then
      return { ms = ms, long = long, numbers = numbers, home = home, others = others, member = member }
    end
  end
  return nil
end

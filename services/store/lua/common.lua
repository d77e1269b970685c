-- What the scripts share; services/store/layout.md describes the keys.
-- KEYS[1]  <tag>m, the tenant's counters: n entries of the id index, b its buckets
-- KEYS[2]  <tag>!, a key that never exists. Redis Cluster then refuses to start the script while the slot is migrating, so that
--          the keys that the script computes are either all on this node or none is.
local call, pcall = redis.call, pcall
local byte, sub, find, format = string.byte, string.sub, string.find, string.format
local tonumber, unpack, struct_pack, struct_unpack = tonumber, unpack, struct.pack, struct.unpack
local meta, tag = KEYS[1], sub(KEYS[1], 1, -2)
local RECORD = 10 -- byte 9 of a member that is a record: the tag of a packed Call's first field
local buckets, power -- of the id index, and the greatest power of two that is not above their number

local function set_buckets(count)
  local _, exponent = math.frexp(count)
  buckets, power = count, 2 ^ (exponent - 1)
end

local function bucket_key(digest)
  local hash = struct_unpack('>I4', digest)
  local bucket = hash % power
  if bucket < buckets - power then
    bucket = hash % (power * 2)
  end
  return tag .. 'i' .. bit.tohex(bucket)
end

-- The decimal text of a score, as keys and names contain it. (redis.call would format a number as %.17g, which is slower.)
local function text(score) return format('%d', score) end

-- Whether a place is an index in chunks: t or x…, not h… nor a number.
local function is_chunked(place) return byte(place) > 110 end

-- The record with this digest in a set of records, or nil. Few calls share a score, so that a millisecond with many calls is
-- no slower to search.
local function find_record(place, score, digest)
  for _, member in ipairs(call('ZRANGEBYSCORE', tag .. place, score, score)) do
    if sub(member, 1, 8) == digest and byte(member, 9) == RECORD then
      return member
    end
  end
end

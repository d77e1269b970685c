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
  return tag .. 'i' .. bit.tohex(bucket < buckets - power and hash % (2 * power) or bucket)
end

local function text(score) return format('%d', score) end

-- A chunk of an index: its name in the directory (its size, 0 for the newest chunk, and its bound), and its key.
local function chunk_name(size, bound) return struct_pack('>I4l', size, bound) end
local function parse_name(name) return struct_unpack('>I4l', name) end
local function chunk_key(index, bound) return tag .. 'k' .. index .. ':' .. text(bound) end

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

-- A call, by position, which costs less than by name: digest, bytes of the packed id, score as a number and as a text, how many of
-- its places are sets, reference, value in the id index, member of its home; places: home, other sets, indexes in chunks without t.
local DIGEST, ID_LENGTH, SCORE, TEXT, SETS, REFERENCE, VALUE, MEMBER, HOME = 1, 2, 3, 4, 5, 6, 7, 8, 9

-- What the scripts share; services/store/layout.md describes the keys.
-- KEYS[1]  <tag>m, a hash: n entries of the id index, b its buckets, and the state of each index in chunks
-- KEYS[2]  <tag>!, a key that never exists. Redis Cluster then refuses to start the script while the slot is migrating, so that
--          the keys that the script computes are either all on this node or none is.
local call, pcall, floor, min = redis.call, pcall, math.floor, math.min
local byte, sub, format, tohex = string.byte, string.sub, string.format, bit.tohex
local tonumber, unpack, struct_pack, struct_unpack = tonumber, unpack, struct.pack, struct.unpack
local meta, tag = KEYS[1], sub(KEYS[1], 1, -2)
local RECORD = 10 -- byte 9 of a member that is a record: the tag of a packed Call's first field
local buckets, power, divided -- of the id index; the greatest power of four up to their number; how many of those are divided

local function set_buckets(count)
  local _, exponent = math.frexp(count)
  buckets, power = count, 4 ^ floor((exponent - 1) / 2)
  divided = (count - power) / 3
end

local function bucket_name(number) return tag .. 'i' .. tohex(number) end

-- Sets the number of buckets; if the hash that has it is lost, what the buckets themselves show: each division made three.
local function find_buckets(count)
  local function size(number) return call('HLEN', bucket_name(divided + number * power)) end
  set_buckets(tonumber(count) or 1)
  while not count and size(1) + size(2) + size(3) > 0 do
    set_buckets(buckets + 3)
  end
end

local function bucket_of(hash) return bucket_name(hash % power < divided and hash % (4 * power) or hash % power) end
local function bucket_key(digest) return bucket_of((struct_unpack('>I4', digest))) end

-- A group is the place g and six hexadecimal digits, the first of its id's digest. Its calls are in buckets that several groups
-- share: sorted sets of digests with the number of the group as the score. A call is entered in the bucket of the present power,
-- where it stays when that grows; so each has about 48, and is found in one of as many buckets as there were powers.
local function is_group(place) return byte(place) == 103 end
local function group_number(place) return tonumber(sub(place, 2), 16) end
local function group_key(place, level) return tag .. 'g' .. tohex(level + group_number(place) % level) end

local function text(score) return format('%d', score) end

local function error_text(problem) return type(problem) == 'table' and problem.err or tostring(problem) end

-- A call, by position, which costs less than by name: member of its home, digest and its first four bytes as a number, score as a
-- number and as a text, entry in a chunk, value in the id index, SHA-1 that what is stored must have (empty: any), how many of its
-- places are sets and how many indexes in chunks; places: home, other sets, indexes in chunks without t, group.
local MEMBER, DIGEST, HASH, SCORE, TEXT, PACKED, VALUE, CONDITION, SETS, INDEXES, HOME = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11

-- The record with this digest in a set of records, or nil. Few calls share a score, so that a millisecond with many calls is
-- no slower to search.
local function find_record(key, score, digest)
  for _, member in ipairs(call('ZRANGEBYSCORE', key, score, score)) do
    if sub(member, 1, 8) == digest and byte(member, 9) == RECORD then
      return member
    end
  end
end

-- Finds a call, which must have the score if one is given: its value in the id index, and its record; nil where there is none.
local function find_call(digest, score)
  local value = call('HGET', bucket_key(digest), digest)
  if value and (not score or struct_unpack('>l', value) == score) then
    return value, find_record(tag .. string.match(value, '^%Z*', 9), text(struct_unpack('>l', value)), digest)
  end
end

-- What is stored under an id: the record, the parts without a start time, and the SHA-1 of both together.
local function find_parts(digest, id)
  local _, record = find_call(digest)
  local parts = call('GET', tag .. 'p' .. id)
  return record, parts, redis.sha1hex(sub(record or '', 9) .. (parts or ''))
end

-- An index in chunks. Its state: calls in the index, entries of the head, bound of the head, least score that the index had.
-- A chunk has entries of score, digest (at most LAST) and hint (the call's home, NUL behind), the oldest call's first.
local STATE, ENTRY, LAST, NO_HINT = '>I6I4ll', 27, '\255\255\255\255\255\255\255\255', '\0\0\0\0\0\0\0\0\0\0\0'
local function is_chunked(place) return byte(place) > 110 end -- t or x…, not g…, h… nor a number
local function chunk_name(size, bound) return struct_pack('>I4l', size, bound) end
local function parse_name(name) return struct_unpack('>I4l', name) end
local function chunk_key(index, bound) return tag .. 'k' .. index .. ':' .. text(bound) end

-- How many of a chunk's entries stand behind a score and a digest on pages, which is where such an entry belongs.
local function count_behind(content, score, digest)
  local first, last, a, b = 0, floor(#content / ENTRY), struct_unpack('>I4I4', digest)
  while first < last do
    local middle = floor((first + last) / 2)
    local other, c, d = struct_unpack('>lI4I4', content, ENTRY * middle + 1)
    if other > score or other == score and (c > a or c == a and d > b) then
      first = middle + 1
    else
      last = middle
    end
  end
  return first
end

local function is_entry(content, at, packed) return sub(content, at + 1, at + 16) == sub(packed, 1, 16) end

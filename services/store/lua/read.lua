-- Reads or counts a range of a tenant's calls. layout.md explains places, scores (the newest call has the least) and hints.
-- ARGV[1]  place: an external number's set, an index in chunks, or a group
-- ARGV[2]  first and
-- ARGV[3]  last score, both included
-- ARGV[4]  how many entries to skip
-- ARGV[5]  how many entries to read; empty: count them
-- ARGV[6]  digest of the last call of the page before, whose score is ARGV[2]: entries of that score up to the digest are
--          skipped, besides those of ARGV[4]; empty: none
-- Returns, to count, the number of entries; to read, the score and the digest of the last entry, 1 if more follow (else nil),
-- then each entry's record, false if it is missing; an empty list if there is none. For a group with more than GROUP calls: -1.
local place, low, high, after = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[6]
local GROUP = 1000 -- calls of a group that one script call looks up
local counting, want = ARGV[5] == '', tonumber(ARGV[5]) or 0
local skip, passed = counting and math.huge or tonumber(ARGV[4]), 0
local values = call('HMGET', meta, 'b', place)
find_buckets(values[1])
local entries = {} -- one more than wanted, if more follow
local records = {} -- by index of `entries`: the records that were read together with them
local last_score, last_digest = after == '' and low - 1 or low, after == '' and LAST or after -- the range follows these

-- The record of an entry: in the home that its hint names; without a hint, or if it is not there, in the one of the id index.
local function record_of(entry)
  local score, digest = struct_unpack('>lc8', entry)
  local home = string.match(entry, '^%Z+', 17)
  return home and find_record(tag .. home, text(score), digest) or select(2, find_call(digest, score))
end

-- Appends a chunk's entries in the range. `newer`: bound of the next newer chunk, where this one's scores begin. A chunk whose
-- entries are all skipped is counted by its size and not read, as nearly all are on the way to a far page.
local function read_chunk(size, bound, newer)
  if newer > low and bound <= high + 1 and passed + size <= skip then
    passed = passed + size
    return
  end
  local content = call('GET', chunk_key(place, bound)) or ''
  local first = bound <= high + 1 and 0 or count_behind(content, high, LAST)
  local last = newer > low and floor(#content / ENTRY) or count_behind(content, last_score, last_digest)
  local pass = min(last - first, skip - passed)
  passed = passed + pass
  for at = last - pass, math.max(first + 1, last - pass - want + #entries), -1 do
    entries[#entries + 1] = sub(content, ENTRY * at - ENTRY + 1, ENTRY * at)
  end
end

-- Reads an index in chunks, the newest first: the head, which is in the state, then the directory's chunks in batches of 128. The
-- first batch has 2, as a page rarely needs more.
local function read_index(state)
  local _, size, bound, newer = struct_unpack(STATE, state)
  local names, batch = { low < bound and chunk_name(size, bound) or nil }, 2
  bound, newer = math.max(low, bound), low < bound and newer or low
  repeat
    for i = 1, #names do
      size, bound = parse_name(names[i])
      read_chunk(size, bound, newer)
      if bound > high or #entries > want then
        return
      end
      newer = bound
    end
    names, batch = call('ZRANGEBYSCORE', tag .. place, format('(%d', bound), '+inf', 'LIMIT', 0, batch), 128
  until #names == 0
end

-- Appends a group's calls in the range, in order. False if the group has too many. Several groups may have the same number: the
-- caller filters the records by group id.
local function read_group()
  local number, level, found, total = group_number(place), power, {}, 0
  local after_a, after_b = struct_unpack('>I4I4', last_digest)
  while level >= 1 and total <= GROUP do
    local digests = call('ZRANGEBYSCORE', group_key(place, level), number, number, 'LIMIT', 0, GROUP + 1)
    level, total = level / 4, total + #digests
    for i = 1, #digests do
      local value = call('HGET', bucket_key(digests[i]), digests[i])
      local score, a, b = value and struct_unpack('>l', value) or low - 1, struct_unpack('>I4I4', digests[i])
      local behind = score > last_score or score == last_score and (a > after_a or a == after_a and b > after_b)
      if value and behind and score >= low and score <= high then
        local home = string.match(value, '^%Z*', 9)
        local hint = #home <= #NO_HINT and home .. sub(NO_HINT, #home + 1) or NO_HINT
        found[#found + 1] = { score, a, b, struct_pack('>l', score) .. digests[i] .. hint }
      end
    end
  end
  table.sort(found, function(x, y)
    return x[1] < y[1] or x[1] == y[1] and (x[2] < y[2] or x[2] == y[2] and x[3] < y[3])
  end)
  passed = min(#found, skip)
  for i = passed + 1, min(#found, passed + want + 1) do
    entries[#entries + 1] = found[i][4]
  end
  return total <= GROUP
end

if is_group(place) then
  if not read_group() then
    return -1
  end
elseif not is_chunked(place) then
  local a, b = struct_unpack('>I4I4', last_digest)
  for _, member in ipairs(after ~= '' and call('ZRANGEBYSCORE', tag .. place, low, low) or {}) do
    local c, d = struct_unpack('>I4I4', member)
    skip = skip + ((c < a or c == a and d <= b) and 1 or 0)
  end
  local part = call('ZRANGEBYSCORE', tag .. place, low, high, 'WITHSCORES', 'LIMIT', skip, want + 1)
  for i = 1, #part, 2 do
    entries[#entries + 1] = struct_pack('>l', part[i + 1]) .. sub(part[i], 1, 8) .. NO_HINT
    records[#entries] = byte(part[i], 9) == RECORD and part[i]
  end
elseif values[2] and (counting or struct_unpack('>I6', values[2]) > skip) then -- a page past the end must not walk the index
  read_index(values[2])
end
if counting then
  return passed
end
local count = min(#entries, want)
local out = count > 0 and { text(struct_unpack('>l', entries[count])), sub(entries[count], 9, 16), #entries > want } or {}
for i = 1, count do
  local good, record = true, records[i]
  if not record then
    good, record = pcall(record_of, entries[i])
  end
  out[i + 3] = good and record or false
end
return out

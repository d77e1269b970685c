-- Reads what has changed since a position in the tenant's stream of changes: the calls as they are now.
-- ARGV[1]  entry of the last change that was read, empty: only to learn the position of now
-- ARGV[2]  how many changes of that entry were read
-- ARGV[3]  when there were no others, in ms, or 0; [4] how many changes to read at most; [5] bytes of records at most
-- Returns 0 if changes since then may have been forgotten or lost; else a position as in ARGV[1] to [3], and 1 if there are
-- more changes; then a call's record, false if it is missing, or its id in a list if it was deleted. A call that changed
-- twice is there once.
local stream, id, passed, left = tag .. 'c', ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local BATCH, WHOLE = 32, 65535 -- entries in one command; more changes than an entry has
local values, time = call('HMGET', meta, 'b', 'c'), call('TIME')
local now = text(time[1] * 1000 + floor(time[2] / 1000))
local out, bytes, is_known = { false, false, false, false }, tonumber(ARGV[5]), {}
find_buckets(values[1])

-- Adds a call's present state; false if the answer is full.
local function take(digest, deleted)
  if left == 0 then
    return false
  end
  local good, value, record = pcall(find_call, digest)
  local change = record or false
  if good and not value then
    change = #deleted > 0 and { deleted } or nil -- nil: another change, further on, deletes the call
  end
  local size = change and #(record or deleted) or 0
  if size > bytes and #out > 4 then
    return false
  elseif change ~= nil and not is_known[digest] then
    out[#out + 1], bytes, is_known[digest] = change, bytes - size, true
  end
  left = left - 1
  return true
end

local function take_entry(entry)
  local at, number, before = 1, 0, entry[1] == id and passed or 0
  while at <= #entry[2][2] do
    local digest, deleted, next_at = struct_unpack('>c8I2c0', entry[2][2], at)
    number, at = number + 1, next_at
    if number > before then
      if not take(digest, deleted) then
        return false
      end
      id, passed = entry[1], number
    end
  end
  return true
end

if id == '' then
  local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  return { last and last[1] or '0-0', text(WHOLE), now, false }
end
local entries, more = call('XRANGE', stream, id, '+', 'COUNT', BATCH), false
local ms, forgotten = tonumber(string.match(id, '^%d+')), tonumber(values[2]) or 0
local is_there = ms == 0 or entries[1] and entries[1][1] == id
-- An entry that should be there and is not was lost with a master, with changes that it had not confirmed.
if math.max(ms, tonumber(ARGV[3])) < forgotten or ms >= forgotten and not is_there then
  return 0
end
while #entries > 0 do
  for i = 1, #entries do
    more = more or not take_entry(entries[i])
  end
  entries = (more or #entries < BATCH) and {} or call('XRANGE', stream, '(' .. entries[#entries][1], '+', 'COUNT', BATCH)
end
out[1], out[2], out[3], out[4] = id, text(passed), more and '0' or now, more
return out

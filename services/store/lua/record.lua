-- Records calls, each wholly or not at all.
-- ARGV[1]  the time of the server's clock, in µs, after which nothing may be written: a newer version may have been meanwhile
-- ARGV[2]  the calls, each packed as CALL
--
-- Returns a digit per call: enum store_outcome. A write that fails takes back what was written of its call; those before it stay.
local CALL = '>c8I2Bc0I3c0I3c0' -- digest; bytes of the packed id; score; value of the id index; member of the home
local LOAD = 24 -- entries per bucket of the id index on average; each lookup reads through its bucket

local entries

-- Splits one bucket of the id index, so that no step is long.
local function grow_id_index()
  local from, to = tag .. 'i' .. bit.tohex(buckets - power), tag .. 'i' .. bit.tohex(buckets)
  local all, moved, fields, target, modulus = call('HGETALL', from), {}, {}, buckets, 2 * power
  set_buckets(buckets + 1)
  for i = 1, #all, 2 do
    if struct_unpack('>I4', all[i]) % modulus == target then
      fields[#fields + 1] = all[i]
      moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
    end
  end
  batched('HSET', to, moved)
  batched('HDEL', from, fields)
end

-- Writes a call in the place of its former version. If that fails, puts the former version back and raises the error.
local function write(new, old)
  if old then
    each_entry(gently(drop), old)
  end
  local good, problem = pcall(each_entry, put, new)
  if not good then
    each_entry(gently(drop), new)
    if old then
      each_entry(gently(put), old)
    end
    error(problem, 0)
  end
end

local function record_new(bucket, new)
  local good, problem = pcall(write, new)
  if not good then
    call('HDEL', bucket, new.digest)
    error(problem, 0)
  end
  local count = buckets
  entries = entries + 1
  if entries > count * LOAD and not pcall(grow_id_index) then
    set_buckets(count)
  end
  return '1'
end

-- Records a call whose digest is in the id index. An entry without its record is damage: the call is recorded anew.
local function record_again(bucket, new, id_length)
  local former = call('HGET', bucket, new.digest)
  local old = #former > 8 and new_call(new.digest, former, nil) or new
  local found = find_record(old[1], old.text, new.digest)
  if found and sub(found, 9, 8 + id_length) ~= sub(new.member, 9, 8 + id_length) then
    return '4'
  elseif found == new.member and former == new.value then
    return '3'
  end
  old.member = found or old.reference
  write(new, old)
  call('HSET', bucket, new.digest, new.value)
  return '2'
end

local function record(new, id_length)
  local bucket = bucket_key(new.digest)
  local is_new = call('HSETNX', bucket, new.digest, new.value) == 1
  return (is_new and record_new or record_again)(bucket, new, id_length)
end

local time = call('TIME')
if time[1] * 1000000 + time[2] > tonumber(ARGV[1]) then
  return { err = 'LATE the deadline has passed at ' .. time[1] .. '.' .. time[2] }
end
local state = call('HMGET', meta, 'n', 'b')
local before = tonumber(state[1]) or 0
entries = before
set_buckets(tonumber(state[2]) or 1)

local calls, id_lengths, names, at = {}, {}, { 't' }, 1
while at <= #ARGV[2] do
  local digest, id_length, score, value, member
  digest, id_length, score, value, member, at = struct_unpack(CALL, ARGV[2], at)
  local new = new_call(digest, value, member, score)
  calls[#calls + 1], id_lengths[#calls + 1] = new, id_length
  for i = 2, #new do
    local place = new[i]
    if is_chunked(place) and not names[place] then
      names[#names + 1], names[place] = place, true
    end
  end
end
load_indexes(names)

local outcomes, good, problem = {}, true, nil
for i, new in ipairs(calls) do
  good, problem = pcall(record, new, id_lengths[i])
  if not good then
    break
  end
  outcomes[i] = problem
end

-- Written once per script call, after a failure too: they describe what was recorded.
if entries ~= before then
  call('HSET', meta, 'n', entries, 'b', buckets)
end
store_indexes()
if not good then
  problem = type(problem) == 'table' and problem.err or tostring(problem)
  return { err = find(problem, '^%u+ ') and problem or 'ERR ' .. problem }
end
return table.concat(outcomes)

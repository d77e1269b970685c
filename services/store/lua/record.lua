-- Records calls, each wholly or not at all.
-- ARGV[1]  the time of the server's clock, in µs, after which nothing may be written: a newer version may have been meanwhile
-- ARGV[2]  the calls: the number of places of each, and its parts, packed as CALL and PLACE for each place
-- Returns a digit per call: enum store_outcome. A write that fails takes back what was written of its group; those before it stay.
local CALL, PLACE = '>c8I2lBc0I2I2c0I3c0I3c0', 'I2c0'
local LOAD = 24 -- entries per bucket of the id index on average; each lookup reads through its bucket

local entries
local group = {} -- new calls whose ids are entered and whose entries are not written yet

-- Splits one bucket of the id index, so that no step is long.
local function grow_id_index()
  local from, to = tag .. 'i' .. bit.tohex(buckets - power), tag .. 'i' .. bit.tohex(buckets)
  local all, moved, fields, target, modulus = call('HGETALL', from), {}, {}, buckets, 2 * power
  for i = 1, #all, 2 do
    if struct_unpack('>I4', all[i]) % modulus == target then
      fields[#fields + 1] = all[i]
      moved[#moved + 1], moved[#moved + 2] = all[i], all[i + 1]
    end
  end
  batched('HSET', to, moved)
  batched('HDEL', from, fields)
  set_buckets(buckets + 1)
end

-- Writes calls: each record into its home, and the references by index, which takes many at the price of one.
local function put_all(calls)
  local lists = { t = calls } -- of the calls that an index takes, by its name
  for c = 1, #calls do
    local new = calls[c]
    call('ZADD', tag .. new[HOME], new[TEXT], new[MEMBER])
    for i = HOME + 1, HOME + new[SETS] - 1 do
      call('ZADD', tag .. new[i], new[TEXT], new[REFERENCE])
    end
    for i = HOME + new[SETS], #new do
      local list = lists[new[i]] or {}
      lists[new[i]], list[#list + 1] = list, new
    end
  end
  for name, list in pairs(lists) do
    index_add(indexes[name], list)
  end
end

local function write_group()
  put_all(group)
  entries, group = entries + #group, {}
  repeat until entries <= buckets * LOAD or not pcall(grow_id_index)
end

-- Records a call whose digest is in the id index. An entry without its record is damage: the call is recorded anew.
local function record_again(new)
  write_group() -- which may have this call
  local bucket = bucket_key(new[DIGEST])
  local former = call('HGET', bucket, new[DIGEST])
  local old = parse_call(new[DIGEST], #former > 9 and former or new[VALUE])
  local found, id_end = find_record(old[HOME], old[TEXT], new[DIGEST]), 8 + new[ID_LENGTH]
  if found and sub(found, 9, id_end) ~= sub(new[MEMBER], 9, id_end) then
    return '4'
  elseif found == new[MEMBER] and former == new[VALUE] then
    return '3'
  end
  old[MEMBER] = found or old[REFERENCE]
  each_entry(gently(drop), old)
  local good, problem = pcall(put_all, { new })
  if not good then
    each_entry(gently(drop), new)
    each_entry(gently(put), old)
    error(problem, 0)
  end
  call('HSET', bucket, new[DIGEST], new[VALUE])
  return '2'
end

local function record(new)
  if call('HSETNX', bucket_key(new[DIGEST]), new[DIGEST], new[VALUE]) == 0 then
    return record_again(new)
  end
  group[#group + 1] = new
  return '1'
end

local time = call('TIME')
if time[1] * 1000000 + time[2] > tonumber(ARGV[1]) then
  return { err = 'LATE the deadline has passed at ' .. time[1] .. '.' .. time[2] }
end
local state = call('HMGET', meta, 'n', 'b')
local before = tonumber(state[1]) or 0
entries = before
set_buckets(tonumber(state[2]) or 1)

local calls, at, packed, formats, names = {}, 1, ARGV[2], {}, { 't' }
while at <= #packed do
  local count, from = struct_unpack('>I2', packed, at)
  formats[count] = formats[count] or CALL .. string.rep(PLACE, count)
  local new = { struct_unpack(formats[count], packed, from) }
  at, new[HOME + count] = new[HOME + count], nil
  calls[#calls + 1] = new
  for i = HOME + new[SETS], #new do
    if indexes[new[i]] == nil then
      names[#names + 1], indexes[new[i]] = new[i], false
    end
  end
end
local read = call('HMGET', states, unpack(names)) -- no more than one call may have numbers
for i = 1, #names do
  make_index(names[i], read[i])
end

local outcomes = {}
local good, problem = pcall(function()
  for i = 1, #calls do
    outcomes[i] = record(calls[i])
  end
  write_group()
end)
for i = 1, good and 0 or #group do
  each_entry(gently(drop), group[i])
  pcall(call, 'HDEL', bucket_key(group[i][DIGEST]), group[i][DIGEST])
end

-- Written once per script call, after a failure too: they describe what was recorded.
if entries ~= before or buckets ~= tonumber(state[2]) then
  call('HSET', meta, 'n', entries, 'b', buckets)
end
store_indexes()
if not good then
  problem = type(problem) == 'table' and problem.err or tostring(problem)
  return { err = find(problem, '^%u+ ') and problem or 'ERR ' .. problem }
end
return table.concat(outcomes)

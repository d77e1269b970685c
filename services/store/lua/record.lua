-- Records calls, each wholly or not at all.
-- ARGV[1]  the time of the server's clock, in µs, after which nothing may be written: a newer version may have been meanwhile
-- ARGV[2]  the calls: the number of places of each, and its parts but the first, packed as CALL and PLACE for each place, of sets
--          their keys as a whole; then 0. A value of 9 bytes deletes the call, if its record begins with the member that is given:
--          with the id, or with the whole record. A value of 8 bytes stores parts of a call whose start time is not known.
-- ARGV[3]  the age in ms at which changes are forgotten; 0: none are
-- ARGV[4]… the calls' members
-- Returns a digit per call: enum store_outcome. A write that fails takes back what was written of its group; those before it stay.
local CALL, PLACE = '>c8I4lBc0c27I3c0Bc0I2I2', 'I2c0'
local PARTS_LIFE = 604800 -- s
local CHANGES_LEAST = 65536 -- entries of the stream that are never too many; else a fourth of the number of calls
local LOAD = 16 -- entries per bucket of the id index on average; each lookup reads through its bucket
local entries, group = nil, {} -- of the id index; new calls whose ids are entered and whose entries are not written yet
local merged = {} -- keys of parts that are in calls now
local changes = {} -- for the stream: digest, then length (2 bytes) and text of the id if the call was deleted
local NOT_DELETED = '\0\0'

-- The id in a member: the first field of its record.
local function id_of(member)
  local length, from = byte(member, 10), 11
  if length > 127 then
    length, from = length - 128 + 128 * byte(member, 11), 12
  end
  return sub(member, from, from + length - 1)
end

-- Adds the changes to the tenant's stream, which has `length` entries, and forgets old ones if they have a greatest age. Adds
-- to values of meta the time in ms before which changes may have been forgotten.
local function store_changes(values, length, now, age, former)
  local stream, most, forgotten = tag .. 'c', age > 0 and math.max(CHANGES_LEAST, entries / 4) or math.huge, former
  call('XADD', stream, '*', 'c', table.concat(changes))
  if age > 0 and now - age - former > age / 1000 then
    forgotten = now - age
    call('XTRIM', stream, 'MINID', '~', text(forgotten))
  end
  if length > most then
    call('XTRIM', stream, 'MAXLEN', '~', text(most * 15 / 16))
    local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
    forgotten = math.max(forgotten, string.match(first, '^%d+') + 1)
  end
  if forgotten > former then
    values[#values + 1], values[#values + 2] = 'c', text(forgotten)
  end
end

-- Divides one bucket of the id index among itself and three new ones, so that no step is long.
local function grow_id_index()
  local from, modulus, parts, names = divided, 4 * power, {}, {}
  for target = from, modulus - 1, power do
    parts[target], names[#names + 1] = {}, bucket_name(target)
  end
  if call('EXISTS', unpack(names, 2)) > 0 then error('a key is in the way') end -- before the first write
  local all = call('HGETALL', names[1])
  for i = 1, #all, 2 do
    local values = parts[struct_unpack('>I4', all[i]) % modulus] or parts[from]
    local count = #values
    values[count + 1], values[count + 2] = all[i], all[i + 1]
  end
  for i = #names, 1, -1 do
    if i == 1 then call('DEL', names[1]) end -- to write again what stays costs less than to delete what goes
    batched('HSET', names[i], parts[from + (i - 1) * power])
  end
  set_buckets(buckets + 3)
end

-- Writes calls: each record into its home, and the references by index, which takes many at the price of one.
local function put_all(calls)
  local lists = { t = calls } -- of the calls that an index takes, by its name
  for c = 1, #calls do
    local new = calls[c]
    local index, group_at = HOME + new[SETS], HOME + new[SETS] + new[INDEXES]
    call('ZADD', new[HOME], new[TEXT], new[MEMBER])
    for i = HOME + 1, index - 1 do
      call('ZADD', new[i], new[TEXT], new[DIGEST])
    end
    for i = index, group_at - 1 do
      local list = lists[new[i]]
      if list then list[#list + 1] = new else lists[new[i]] = { new } end
    end
    if new[group_at] then add_to_group(new[group_at], new) end
  end
  for name, list in pairs(lists) do
    index_add(indexes[name], list)
  end
end

local function write_group()
  put_all(group)
  for i = 1, #group do
    changes[#changes + 1], changes[#changes + 2] = group[i][DIGEST], NOT_DELETED
  end
  entries, group = entries + #group, {}
  repeat until entries <= buckets * LOAD or not pcall(grow_id_index)
end

-- Records or deletes a call whose digest is in the id index. An entry without its record is damage: the call is recorded anew.
local function record_again(new)
  if #group > 0 then write_group() end -- which may have this call, and may divide its bucket
  local bucket, deletes = bucket_of(new[HASH]), #new[VALUE] == 9
  local former = call('HGET', bucket, new[DIGEST]) or ''
  local old = former ~= new[VALUE] and parse_call(new[DIGEST], new[DIGEST], #former > 9 and former or new[VALUE])
  local found = find_record(old and tag .. old[HOME] or new[HOME], (old or new)[TEXT], new[DIGEST])
  if not old and found == new[MEMBER] then
    return '3'
  elseif found and (deletes and sub(found, 1, #new[MEMBER]) or id_of(found)) ~= (deletes and new[MEMBER] or id_of(new[MEMBER])) then
    return '4'
  elseif found and not old then -- nor do the references change
    call('ZADD', new[HOME], new[TEXT], new[MEMBER])
    call('ZREM', new[HOME], found)
    changes[#changes + 1] = new[DIGEST] .. NOT_DELETED
    return '2'
  end
  old = old or parse_call(new[DIGEST], new[DIGEST], former)
  old[MEMBER] = found or old[DIGEST]
  local problem, _ = each_entry(drop, old), nil
  if not problem and not deletes then _, problem = pcall(put_all, { new }) end
  if problem then
    each_entry(drop, parse_call(new[MEMBER], new[DIGEST], new[VALUE]))
    each_entry(put, old)
    error(problem, 0)
  elseif not deletes then
    call('HSET', bucket, new[DIGEST], new[VALUE])
    changes[#changes + 1] = new[DIGEST] .. NOT_DELETED
    return '2'
  end
  local id = id_of(new[MEMBER])
  call('DEL', tag .. 'p' .. id)
  local deleted = #former > 9 and call('HDEL', bucket, new[DIGEST]) or 0
  entries = entries - deleted
  if deleted > 0 then changes[#changes + 1] = new[DIGEST] .. struct_pack('>I2c0', #id, id) end
  return 5 + deleted
end

local function record(new)
  if #new[VALUE] == 9 or call('HSETNX', bucket_of(new[HASH]), new[DIGEST], new[VALUE]) == 0 then
    return record_again(new)
  end
  group[#group + 1] = new
  return '1'
end

-- Records a call or parts if what is stored is what they were merged with.
local function merge(new)
  local id = id_of(new[MEMBER])
  local _, parts, sha1 = find_parts(new[DIGEST], id)
  if sha1 ~= new[CONDITION] then
    return '7'
  elseif #new[VALUE] == 8 then
    call('SET', tag .. 'p' .. id, sub(new[MEMBER], 9), 'EX', PARTS_LIFE)
    return '1'
  elseif parts then
    merged[#merged + 1] = tag .. 'p' .. id
  end
  return record(new)
end

local time = call('TIME')
if time[1] * 1000000 + time[2] > tonumber(ARGV[1]) then
  return { err = 'LATE the deadline has passed at ' .. time[1] .. '.' .. time[2] }
end
local length = call('XLEN', tag .. 'c') -- fails before the first write if the key has a foreign type
local calls, formats, names, places, at = {}, {}, { 'n', 'b', 'c', 't' }, struct_unpack('>I2', ARGV[2])
while places > 0 do
  formats[places] = formats[places] or CALL .. string.rep(PLACE, places) .. 'I2'
  local new, last = { ARGV[#calls + 4], struct_unpack(formats[places], ARGV[2], at) }, HOME + places
  places, at, new[last], new[last + 1] = new[last], new[last + 1], nil, nil
  calls[#calls + 1] = new
  for i = HOME + new[SETS], HOME + new[SETS] + new[INDEXES] - 1 do
    if indexes[new[i]] == nil then
      names[#names + 1], indexes[new[i]] = new[i], false
    end
  end
end
local state = call('HMGET', meta, unpack(names)) -- no more than one call may have numbers
local before = tonumber(state[1]) or 0
entries = before
find_buckets(state[2])
for i = 4, #names do
  make_index(names[i], state[i])
end

local outcomes = {}
local good, problem = pcall(function()
  for i = 1, #calls do
    outcomes[i] = (calls[i][CONDITION] == '' and record or merge)(calls[i])
  end
  write_group()
  for i = 1, #merged do
    call('DEL', merged[i])
  end
end)
for i = 1, good and 0 or #group do
  each_entry(drop, parse_call(group[i][MEMBER], group[i][DIGEST], group[i][VALUE]))
  pcall(call, 'HDEL', bucket_of(group[i][HASH]), group[i][DIGEST])
end
-- Written once per script call, after a failure too: they describe what was recorded.
local values = (entries ~= before or buckets ~= tonumber(state[2])) and { 'n', entries, 'b', buckets } or {}
local kept, why = true, nil
if #changes > 0 then
  kept, why = pcall(store_changes, values, length, time[1] * 1000, tonumber(ARGV[3]), tonumber(state[3]) or 0)
end
store_indexes(values)
if not good or not kept then
  problem = error_text(problem or why)
  return { err = string.find(problem, '^%u+ ') and problem or 'ERR ' .. problem }
end
return table.concat(outcomes)

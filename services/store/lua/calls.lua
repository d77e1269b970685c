-- A call by its value in the id index: score, then the places with NUL between them.
local function parse_call(member, digest, value)
  local score, places = struct_unpack('>l', value), {}
  for place in string.gmatch(sub(value, 9), '%Z+') do
    places[#places + 1] = place
  end
  return { member, digest, 0, score, text(score), sub(value, 1, 8) .. digest .. NO_HINT, value, '', 0, 0, unpack(places) }
end

local function add_to_group(place, call_of)
  call('ZADD', group_key(place, power), group_number(place), call_of[DIGEST])
end

-- Takes a call out of the buckets of its group. Returns the first error.
local function drop_group(place, call_of)
  local level, problem = power, nil
  while level >= 1 do
    local good, result = pcall(call, 'ZREM', group_key(place, level), call_of[DIGEST])
    if result == 1 then break end
    problem, level = problem or not good and result, level / 4
  end
  return problem
end

local function put(place, call_of, member)
  if is_chunked(place) then return index_add(index_of(place), { call_of }) end
  if is_group(place) then
    drop_group(place, call_of) -- from the bucket of another power, where it may still be after a failure
    return add_to_group(place, call_of)
  end
  call('ZADD', tag .. place, call_of[TEXT], member)
end

local function drop(place, call_of, member)
  if is_chunked(place) then return index_remove(index_of(place), call_of) end
  if is_group(place) then
    local problem = drop_group(place, call_of)
    if problem then error(problem, 0) end
    return
  end
  call('ZREM', tag .. place, member)
end

-- Takes a step for each entry of a call. Returns the first error but those of foreign types, which have no entry of ours.
local function each_entry(step, call_of)
  local problem
  for i = HOME, #call_of + 1 do
    local good, why = pcall(step, call_of[i] or 't', call_of, call_of[i == HOME and MEMBER or DIGEST])
    if not good and not string.find(error_text(why), '^WRONGTYPE ') then
      problem = problem or why
    end
  end
  return problem
end

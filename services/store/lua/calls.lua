-- A call by its value in the id index: score, then the places with NUL between them.
local function parse_call(digest, value)
  local score, places, sets = struct_unpack('>l', value), {}, 0
  for place in string.gmatch(sub(value, 9), '%Z+') do
    places[#places + 1] = place
    sets = sets + (is_chunked(place) and 0 or 1)
  end
  return { digest, 0, score, text(score), sets, digest .. places[1], value, false, unpack(places) }
end

local function put(place, call_of, entry)
  if is_chunked(place) then
    return index_add(index_of(place), { call_of })
  end
  call('ZADD', tag .. place, call_of[TEXT], entry)
end

local function drop(place, call_of, entry)
  if is_chunked(place) then
    return index_remove(index_of(place), call_of)
  end
  call('ZREM', tag .. place, entry)
end

-- A step that passes over keys of a foreign type: such a key has no entry of ours.
local function gently(step)
  return function(...) pcall(step, ...) end
end

-- Takes a step for the record and each reference of a call.
local function each_entry(step, call_of)
  step(call_of[HOME], call_of, call_of[MEMBER])
  step('t', call_of, call_of[REFERENCE])
  for i = HOME + 1, #call_of do
    step(call_of[i], call_of, call_of[REFERENCE])
  end
end

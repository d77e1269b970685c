-- A call and its entries: the record in its home, a reference in each other place and in the time line. `value` is its value in the id index: score, home, and the other places, NUL between them.
local function new_call(digest, value, packed)
  local places, from = {}, 9
  while from do
    local stop = find(value, '\0', from, true)
    places[#places + 1] = sub(value, from, stop and stop - 1)
    from = stop and stop + 1
  end
  local score = struct_unpack('>l', value)
  local reference, member = digest .. places[1], digest .. packed
  return { digest = digest, value = value, score = score, text = text(score), places = places, reference = reference, member = member }
end

local function put(place, call_of, entry)
  if is_chunked(place) then
    return index_add(index_of(place), call_of, entry)
  end
  call('ZADD', tag .. place, call_of.text, entry)
end

local function drop(place, call_of, entry)
  if is_chunked(place) then
    return index_remove(index_of(place), call_of, entry)
  end
  call('ZREM', tag .. place, entry)
end

-- A step that passes over keys of a foreign type: such a key has no entry of ours.
local function gently(step)
  return function(...) pcall(step, ...) end
end

-- Takes a step for the record and each reference of a call.
local function each_entry(step, call_of)
  local places = call_of.places
  step(places[1], call_of, call_of.member)
  step('t', call_of, call_of.reference)
  for i = 2, #places do
    step(places[i], call_of, call_of.reference)
  end
end

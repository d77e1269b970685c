-- A call and its entries: the record in its home, a reference in each other place and in the time line. `value` is its value in the id index: score, home, and the other places, NUL between them.
local function new_call(digest, value, member, score_text)
  local score, count, from, call_of = struct_unpack('>l', value), 0, 9, nil
  call_of = { digest = digest, value = value, member = member, score = score, text = score_text or text(score) }
  while from do
    local stop = find(value, '\0', from, true)
    count, call_of[count + 1] = count + 1, sub(value, from, stop and stop - 1)
    from = stop and stop + 1
  end
  call_of.reference = digest .. call_of[1]
  return call_of
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
  local reference = call_of.reference
  step(call_of[1], call_of, call_of.member)
  step('t', call_of, reference)
  for i = 2, #call_of do
    step(call_of[i], call_of, reference)
  end
end

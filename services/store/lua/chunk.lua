-- What the scripts that look into indexes in chunks share.
--
-- A directory's scores are the first milliseconds of its chunks. Half a millisecond more marks a chunk as sealed: it holds
-- CHUNK entries, so that whoever passes over it need not ask. Whole milliseconds are looked for up to their half, therefore.
local CHUNK = 64 -- entries; adding to a listpack reads all of it, so half of what fits costs less time and 1 % memory
local SEALED = '.5'

-- The first millisecond that a directory's score tells.
local function start_of(score)
  return math.floor(tonumber(score))
end

-- Whether it marks the chunk as sealed: told by its letters, since reading a number costs more than all else on a far page's way.
local function is_sealed(score)
  return string.byte(score, -2) == 46 -- '.'
end

-- Finds what is stored under ids. ARGV: digest and id of each.
-- Returns record, parts without a start time (false: none) and the SHA-1 of both, of so many ids as fit into about SIZE bytes.
local SIZE = 1048576
local out, bytes = {}, 0
find_buckets(call('HGET', meta, 'b'))
for i = 1, #ARGV, 2 do
  local record, parts, sha1 = find_parts(ARGV[i], ARGV[i + 1])
  out[#out + 1], out[#out + 2], out[#out + 3] = record or false, parts or false, sha1
  bytes = bytes + #(record or '') + #(parts or '')
  if bytes > SIZE then
    break
  end
end
return out

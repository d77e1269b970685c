-- Finds one call by its id.
--
-- KEYS[1]  <tag>m
-- ARGV[1]  the tenant's tag in braces; [2] field of the id index; [3] packed id field, as the record begins
--
-- Returns the member of the home set, or nil.
set_buckets(tonumber(call('HGET', meta, 'b')) or 1)
local field, packed_id = ARGV[2], ARGV[3]
local bucket = bucket_key(hash_of(field))
local entry = call('HGET', bucket, field)
local found = entry and find_record(entry, packed_id)
if entry and not found then
  entry = call('HGET', bucket, '=' .. field .. sub(packed_id, byte(packed_id, 2) < 128 and 3 or 4))
  found = entry and find_record(entry, packed_id)
end
return found and found.member

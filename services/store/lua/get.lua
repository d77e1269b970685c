-- Finds one call by its id.
--
-- ARGV[1]  digest of the id
--
-- Returns its record (which may be another id's), 0 where the id index has an entry without a record, or nil.
set_buckets(tonumber(call('HGET', meta, 'b')) or 1)
local entry = call('HGET', bucket_key(ARGV[1]), ARGV[1])
if not entry then
  return false
end
return find_record(string.match(sub(entry, 9), '^%Z*'), text(struct_unpack('>l', entry)), ARGV[1]) or 0

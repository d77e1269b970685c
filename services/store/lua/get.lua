-- Finds one call by its id, whose digest is ARGV[1].
-- Returns its record (which may be another id's), 0 where the id index has an entry without a record, or nil.
find_buckets(call('HGET', meta, 'b'))
local value, record = find_call(ARGV[1])
return value and (record or 0)

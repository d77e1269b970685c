-- Reads references from an index in chunks; index.lua tells how.
return read_index()

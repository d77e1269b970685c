-- Gives out tags, one per tenant and for good.
--
-- KEYS[1]  callhistory:tenants, whose empty field counts the tags
-- ARGV     tenants: project code .. "\0" .. vbot id
--
-- Returns their tags, in order.
local digits = '0123456789abcdefghijklmnopqrstuvwxyz'
local tags = {}
for i, tenant in ipairs(ARGV) do
  local tag = redis.call('HGET', KEYS[1], tenant)
  if not tag then
    local number = redis.call('HINCRBY', KEYS[1], '', 1)
    tag = ''
    repeat
      local digit = number % 36
      tag = string.sub(digits, digit + 1, digit + 1) .. tag
      number = (number - digit) / 36
    until number == 0
    redis.call('HSET', KEYS[1], tenant, tag)
  end
  tags[i] = tag
end
return tags

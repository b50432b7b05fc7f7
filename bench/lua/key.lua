-- A cache key from the tokens of its rows. KEYS: namespace, table, rows. A SHA-1, since a script has no better hash.
local tokens = redis.call('MGET', unpack(KEYS))
local all_known, text = pcall(table.concat, tokens, ' ')
if not all_known then
  for place = 1, #KEYS do
    tokens[place] = tokens[place] or ''
  end
  text = table.concat(tokens, ' ')
end
return redis.sha1hex(table.concat(KEYS, ' ') .. ' ' .. text)

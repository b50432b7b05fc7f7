-- Gives all that a transaction has recorded a new token. KEYS: transaction. ARGV: the token, which the client made.
local names = redis.call('SMEMBERS', KEYS[1])
local count = #names
for place = count, 1, -1 do
  names[2 * place - 1], names[2 * place] = names[place], ARGV[1]
end
redis.call('MSET', unpack(names))
redis.call('DEL', KEYS[1])
return count

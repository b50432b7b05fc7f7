-- Records what a transaction changes. KEYS: transaction, then namespace, table, rows. ARGV: lease in milliseconds.
local transaction = table.remove(KEYS, 1)
redis.call('SADD', transaction, unpack(KEYS))
redis.call('PEXPIRE', transaction, ARGV[1])
return #KEYS

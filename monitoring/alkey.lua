#!lua flags=no-writes,allow-stale
-- The numbers of INFO alkey, as redis_exporter's option `-script` wants them: name, value, name, value.
-- It changes nothing, so it runs on replicas, too, and when memory is full.
local result = {}
for name, value in redis.call('INFO', 'alkey'):gmatch('(alkey_[%a_]+):(%d+)') do
    table.insert(result, name)
    table.insert(result, value)
end
return result

-- Looks at one host: see `admit`. KEYS: receivers. ARGV: limits JSON, host. Returns items to add to the queue.
return admit(ARGV[2], cjson.decode(ARGV[1]))

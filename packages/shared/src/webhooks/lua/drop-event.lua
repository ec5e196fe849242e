-- Takes an event out of the outbox that can't become a delivery. KEYS: outbox. ARGV: host, line
take_out(ARGV[1], ARGV[2])
return 1

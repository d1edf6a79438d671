-- The record of one address, account or network, as record.rs has it, and whether a pair is known.
-- KEYS: the record, or the pair. ARGV: what to do; the time in milliseconds, or `` for Redis's own, which is the same for
-- everybody. For `let_in` then how long the pair is known. For `admit`, `failed`, `succeeded` and `withdrawn` the ticket of
-- the attempt, for how long its seat is kept if nobody settles it, the rule, and the other side of the pair.
-- The answer is two numbers. To `known`: 1 if it is. To `admit`: 0 admitted, 1 busy, 2 locked and for how long. To the
-- others: 1 and the length of a lockout that begins, or 0.
local what, now = ARGV[1], tonumber(ARGV[2])
if what == 'known' then return { redis.call('EXISTS', KEYS[1]), 0 } end
if what == 'let_in' then
  redis.call('SET', KEYS[1], '', 'PX', ARGV[3])
  return { 0, 0 }
end
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local ticket, patience = ARGV[3], tonumber(ARGV[4])
local first, again, distinct = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == '1'
local window, lockout, longest, by = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]

-- Culprits are `-` for nobody, `*` for several, or the one.
local culprits, lockouts, locked, remembered, failures, seats = '-', 0, 0, 0, {}, {}
local kept = redis.call('GET', KEYS[1])
if kept then
  local numbers, failed, taken
  culprits, numbers, failed, taken = string.match(kept, '^(%S+) ([^;]*);([^;]*);([^;]*)$')
  lockouts, locked, remembered = string.match(numbers, '^(%d+) (%d+) (%d+)$')
  lockouts, locked, remembered = tonumber(lockouts), tonumber(locked), tonumber(remembered)
  for who, at in string.gmatch(failed, '(%x+)@(%d+)') do
    if now < at + window then failures[#failures + 1] = { who, tonumber(at) } end
  end
  -- Who settles gives the seat back; who never does, because its server has died, has it for so long.
  for holder, at in string.gmatch(taken, '(%x+)@(%d+)') do
    if holder ~= ticket and now < tonumber(at) then seats[#seats + 1] = { holder, tonumber(at) } end
  end
  if remembered <= now then culprits, lockouts = '-', 0 end
end
local limit = first
if lockouts > 0 then limit = again end

local function without(list, who)
  local rest = {}
  for _, pair in ipairs(list) do
    if pair[1] ~= who then rest[#rest + 1] = pair end
  end
  return rest
end

local length = 0
if what == 'admit' then
  if now < locked then return { 2, locked - now } end
  if #seats >= math.max(limit - #failures, 1) then return { 1, 0 } end
  seats[#seats + 1] = { ticket, now + patience }
elseif what == 'failed' and now >= locked then
  if distinct then failures = without(failures, by) end
  failures[#failures + 1] = { by, now }
  if #failures >= limit then
    for _, failure in ipairs(failures) do
      if culprits == '-' then culprits = failure[1] elseif culprits ~= failure[1] then culprits = '*' end
    end
    failures, lockouts = {}, lockouts + 1
    length = longest
    if lockouts <= 32 then length = math.min(lockout * 2 ^ (lockouts - 1), longest) end
    locked = now + length
    remembered = locked + math.max(length, window)
  end
elseif what == 'succeeded' then
  failures = without(failures, by)
  if #failures == 0 and culprits == by then culprits, lockouts, locked, remembered = '-', 0, 0, 0 end
end

-- It is kept for as long as it makes a difference.
local last = now
if #failures > 0 then last = math.max(last, failures[#failures][2] + window) end
if lockouts > 0 then last = math.max(last, remembered) end
local failed, taken = {}, {}
for i, failure in ipairs(failures) do failed[i] = string.format('%s@%.0f', failure[1], failure[2]) end
for i, seat in ipairs(seats) do
  taken[i] = string.format('%s@%.0f', seat[1], seat[2])
  last = math.max(last, seat[2])
end
if last > now then
  local text = string.format('%s %d %.0f %.0f;%s;%s', culprits, lockouts, locked, remembered, table.concat(failed, ','), table.concat(taken, ','))
  redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', last - now))
else
  redis.call('DEL', KEYS[1])
end
if length > 0 then return { 1, length } end
return { 0, 0 }

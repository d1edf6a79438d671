-- Decides on one request under several limits and charges all of them or none, with nginx's accounting:
--   excess = max(0, excess - floor(rate * elapsed / 1000) + 1000), in thousandths of a request and milliseconds.
-- KEYS: one account for each limit. ARGV: `peek`, `check` or `charge`; the time in milliseconds, or `` for Redis's own,
-- which is the same for everybody; then rate and burst of each limit. The answer is what each account stood at before,
-- -1 for one that was not there, and the milliseconds since.
local mode, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local answer, accounts, passes = {}, {}, true
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
  local kept = redis.call('GET', key)
  local before, elapsed, excess, last = -1, 0, 0, now
  if kept then
    local excess_text, last_text = string.match(kept, '^(%d+) (%d+)$')
    before, last = tonumber(excess_text), tonumber(last_text)
    elapsed = now - last
    if elapsed < -60000 then elapsed = 1 elseif elapsed < 0 then elapsed = 0 end
    excess = math.max(0, before - math.floor(rate * elapsed / 1000) + 1000)
    if elapsed ~= 0 then last = now end
  end
  if excess > burst then passes = false end
  answer[2 * i - 1], answer[2 * i] = before, elapsed
  -- An account is kept until it has drained, and a minute longer: then to forget it cannot change an answer.
  accounts[i] = { key, string.format('%.0f %.0f', excess, last), math.ceil((excess + 1000) * 1000 / rate) + 60000 }
end
if mode == 'charge' or (mode == 'check' and passes) then
  for _, account in ipairs(accounts) do
    redis.call('SET', account[1], account[2], 'PX', string.format('%.0f', account[3]))
  end
end
return answer

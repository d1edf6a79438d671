-- Each request has one of so many keys, by chance: wrk -s keys.lua URL -- KEYS
local keys = 1

function init(args)
  keys = tonumber(args[1])
  math.randomseed(7)
end

function request()
  wrk.headers["X-Key"] = "key-" .. math.random(keys)
  return wrk.format()
end

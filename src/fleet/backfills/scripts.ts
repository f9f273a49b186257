/**
 * The steps of a backfill that must be atomic, as scripts that Redis runs as a whole. Each interval is in one of four places.
 * A script moves it only if it's still in the place it starts from, so repeating a script counts nothing twice:
 *
 * ```
 * open ──take──► running ──finish──► done (a counter)
 *   ▲               ├────finish────► failed
 *   ├──put back─────┘                   │
 *   └──────────────retry────────────────┘
 * ```
 *
 * A backfill ends (CLOSE) once nothing is open or running and the receipts cover its range: Redis may have lost any of these keys.
 * What they don't cover is opened again (REOPEN). A script that finds no record (Redis was flushed, or the backfill has expired) does
 * nothing.
 */

/** How long a backfill is kept after its end. */
const KEPT_SECONDS = 30 * 24 * 3600;

/** Returns the id of another running backfill that overlaps; `key` is the key of `backfilling`. */
const refuseOverlap = (key: number) => `
  local others = redis.call("HGETALL", KEYS[${key}])
  for i = 1, #others, 2 do
    local from, till = string.match(others[i + 1], "^(%d+)_(%d+)$")
    if others[i] ~= ARGV[1] and tonumber(from) < finish and start < tonumber(till) then return others[i] end
  end`;

/**
 * KEYS record, open, backfilling, backfills; ARGV id, start, end (epoch seconds), now (epoch ms), record as JSON,
 * then name and score of each interval. Returns the id of a running backfill that overlaps, or an empty string.
 */
export const CREATE = `
local start, finish = tonumber(ARGV[2]), tonumber(ARGV[3])
local total = (#ARGV - 5) / 2
if total > 0 then${refuseOverlap(3)}
  redis.call("HSET", KEYS[3], ARGV[1], ARGV[2] .. "_" .. ARGV[3])
end
redis.call("HSET", KEYS[1], "record", ARGV[5], "total", total, "done", 0, "rows", 0, "bytes", 0, "state",
  total > 0 and "running" or "done")
if total == 0 then
  redis.call("HSET", KEYS[1], "finishedAt", ARGV[4])
  redis.call("EXPIRE", KEYS[1], ${KEPT_SECONDS})
end
for i = 6, #ARGV, 2 do redis.call("ZADD", KEYS[2], ARGV[i + 1], ARGV[i]) end
redis.call("ZADD", KEYS[4], ARGV[4], ARGV[1])
return ""
`;

/**
 * KEYS record, open, running, backfilling, backfills; ARGV now, how many may run, id, the range that it reserves, when it was
 * created. Returns the names of the intervals it took, the oldest that were open. Lists the backfill again if Redis has lost that.
 */
export const TAKE = `
if redis.call("HGET", KEYS[1], "state") ~= "running" then return {} end
redis.call("HSET", KEYS[4], ARGV[3], ARGV[4])
redis.call("ZADD", KEYS[5], ARGV[5], ARGV[3])
local room = tonumber(ARGV[2]) - redis.call("ZCARD", KEYS[3])
if room < 1 then return {} end
local names = redis.call("ZRANGE", KEYS[2], 0, room - 1)
for _, name in ipairs(names) do
  redis.call("ZREM", KEYS[2], name)
  redis.call("ZADD", KEYS[3], ARGV[1], name)
end
return names
`;

/**
 * KEYS record, open, running, failed, backfilling; ARGV id, interval name, outcome (done, failed, open), now,
 * rows, bytes, error as JSON, score. Returns 1 if the interval was moved.
 */
export const FINISH = `
if redis.call("EXISTS", KEYS[1]) == 0 then return 0 end
local gone = redis.call("ZREM", KEYS[3], ARGV[2])
if ARGV[3] ~= "open" then gone = gone + redis.call("ZREM", KEYS[2], ARGV[2]) end
if gone == 0 then return 0 end
if ARGV[3] == "done" then
  redis.call("HINCRBY", KEYS[1], "done", 1)
  redis.call("HINCRBY", KEYS[1], "rows", ARGV[5])
  redis.call("HINCRBY", KEYS[1], "bytes", ARGV[6])
elseif ARGV[3] == "failed" then
  redis.call("HSET", KEYS[4], ARGV[2], ARGV[7])
else
  redis.call("ZADD", KEYS[2], ARGV[8], ARGV[2])
end
return 1
`;

/** Returns 0 if something is open or running, or the backfill has ended. */
const ONLY_IDLE = `
if redis.call("HGET", KEYS[1], "state") ~= "running" then return 0 end
if redis.call("ZCARD", KEYS[2]) > 0 or redis.call("ZCARD", KEYS[3]) > 0 then return 0 end
local total, failed = tonumber(redis.call("HGET", KEYS[1], "total")), redis.call("HLEN", KEYS[4])`;

/** KEYS record, open, running, failed, backfilling; ARGV id, now. Ends the backfill. Returns 1 if it was idle. */
export const CLOSE = `${ONLY_IDLE}
redis.call("HSET", KEYS[1], "state", failed > 0 and "failed" or "done", "done", total - failed, "finishedAt", ARGV[2])
redis.call("HDEL", KEYS[5], ARGV[1])
for i = 1, 4 do redis.call("EXPIRE", KEYS[i], ${KEPT_SECONDS}) end
return 1
`;

/**
 * KEYS record, open, running, failed, backfilling; ARGV name and score of each interval that lacks a receipt. Opens them, and
 * counts how often that has happened. Returns 1 if the backfill was idle.
 */
export const REOPEN = `${ONLY_IDLE}
local lacking = #ARGV / 2
total = math.max(total, failed + lacking)
redis.call("HSET", KEYS[1], "total", total, "done", total - failed - lacking)
redis.call("HINCRBY", KEYS[1], "reopened", 1)
for i = 1, #ARGV, 2 do redis.call("ZADD", KEYS[2], ARGV[i + 1], ARGV[i]) end
return 1
`;

/** KEYS record, open, running, failed, backfilling; ARGV id, now. Returns 1 if it was running. */
export const CANCEL = `
if redis.call("HGET", KEYS[1], "state") ~= "running" then return 0 end
local left = redis.call("HGET", KEYS[1], "total") - redis.call("HGET", KEYS[1], "done") - redis.call("HLEN", KEYS[4])
redis.call("HSET", KEYS[1], "state", "cancelled", "cancelled", left, "finishedAt", ARGV[2])
redis.call("DEL", KEYS[2], KEYS[3])
redis.call("HDEL", KEYS[5], ARGV[1])
redis.call("EXPIRE", KEYS[1], ${KEPT_SECONDS})
redis.call("EXPIRE", KEYS[4], ${KEPT_SECONDS})
return 1
`;

/**
 * KEYS record, open, running, failed, backfilling; ARGV id, start, end, then name and score of each failed interval.
 * Returns the id of a running backfill that overlaps, or an empty string. A failed backfill runs again even if Redis has lost its
 * failed intervals: the receipts say what is lacking.
 */
export const RETRY = `
local start, finish = tonumber(ARGV[2]), tonumber(ARGV[3])${refuseOverlap(5)}
for i = 4, #ARGV, 2 do
  if redis.call("HDEL", KEYS[4], ARGV[i]) == 1 then redis.call("ZADD", KEYS[2], ARGV[i + 1], ARGV[i]) end
end
if redis.call("ZCARD", KEYS[2]) > 0 or redis.call("HGET", KEYS[1], "state") == "failed" then
  redis.call("HSET", KEYS[1], "state", "running")
  redis.call("HDEL", KEYS[1], "finishedAt")
  redis.call("HSET", KEYS[5], ARGV[1], ARGV[2] .. "_" .. ARGV[3])
  for i = 1, 4 do redis.call("PERSIST", KEYS[i]) end
end
return ""
`;

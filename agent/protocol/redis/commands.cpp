#include "agent/protocol/redis/commands.h"

#include <algorithm>
#include <string>
#include <vector>

namespace gnomon::protocol::resp {
namespace {

struct Group {
  Effect effect;
  std::int8_t key;
  std::string_view names;  // of a container's, with a bar: CONFIG|GET
};

// From the server's own COMMAND (Redis 7.0), and those of its usual modules. Where COMMAND calls a command neither a
// read nor a write, what counts is whether a later answer can tell that it was said.
constexpr Group kGroups[] = {
    {Effect::kReads, 0,
     "PING ECHO TIME INFO ROLE LASTSAVE LOLWUT DBSIZE KEYS SCAN RANDOMKEY COMMAND COMMAND|COUNT COMMAND|DOCS "
     "COMMAND|GETKEYS COMMAND|GETKEYSANDFLAGS COMMAND|INFO COMMAND|LIST CLIENT|GETNAME CLIENT|GETREDIR CLIENT|ID "
     "CLIENT|INFO CLIENT|LIST CLIENT|TRACKINGINFO CONFIG|GET ACL|CAT ACL|DRYRUN ACL|GENPASS ACL|GETUSER ACL|LIST "
     "ACL|USERS ACL|WHOAMI CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|COUNTKEYSINSLOT CLUSTER|GETKEYSINSLOT CLUSTER|INFO "
     "CLUSTER|KEYSLOT CLUSTER|LINKS CLUSTER|MYID CLUSTER|NODES CLUSTER|REPLICAS CLUSTER|SHARDS CLUSTER|SLAVES "
     "CLUSTER|SLOTS FUNCTION|DUMP FUNCTION|LIST FUNCTION|STATS LATENCY|DOCTOR LATENCY|GRAPH LATENCY|HISTOGRAM "
     "LATENCY|HISTORY LATENCY|LATEST MEMORY|DOCTOR MEMORY|MALLOC-STATS MEMORY|STATS MODULE|LIST PUBSUB|CHANNELS "
     "PUBSUB|NUMPAT PUBSUB|NUMSUB PUBSUB|SHARDCHANNELS PUBSUB|SHARDNUMSUB SCRIPT|EXISTS SLOWLOG|GET SLOWLOG|LEN"},
    {Effect::kReads, 1,
     "BITCOUNT BITFIELD_RO BITPOS DUMP EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO "
     "GEOSEARCH GET GETBIT GETRANGE HEXISTS HGET HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN HSTRLEN HVALS LCS LINDEX "
     "LLEN LPOS LRANGE MGET PEXPIRETIME PFCOUNT PTTL SCARD SDIFF SINTER SISMEMBER SMEMBERS SMISMEMBER SORT_RO "
     "SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TOUCH TTL TYPE XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZLEXCOUNT "
     "ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK "
     "ZSCAN ZSCORE JSON.GET JSON.MGET JSON.TYPE JSON.STRLEN JSON.ARRLEN JSON.OBJKEYS BF.EXISTS BF.MEXISTS CF.EXISTS "
     "TS.GET TS.RANGE TS.REVRANGE FT.SEARCH"},
    {Effect::kReads, 2,
     "MEMORY|USAGE OBJECT|ENCODING OBJECT|FREQ OBJECT|IDLETIME OBJECT|REFCOUNT XINFO|CONSUMERS XINFO|GROUPS "
     "XINFO|STREAM SINTERCARD ZDIFF ZINTER ZINTERCARD ZUNION"},
    {Effect::kReads, 3, "EVAL_RO EVALSHA_RO FCALL_RO"},
    {Effect::kReadsUnlessBlocking, kAfterStreams, "XREAD"},
    {Effect::kWritesUnlessBlocking, kAfterStreams, "XREADGROUP"},
    {Effect::kWrites, 0,
     "FLUSHALL FLUSHDB SWAPDB PUBLISH FUNCTION|DELETE FUNCTION|FLUSH FUNCTION|LOAD FUNCTION|RESTORE SCRIPT|FLUSH "
     "SCRIPT|LOAD CONFIG|SET CONFIG|RESETSTAT ACL|DELUSER ACL|LOG ACL|SETUSER LATENCY|RESET MEMORY|PURGE "
     "SLOWLOG|RESET"},
    {Effect::kWrites, 1,
     "APPEND BITFIELD COPY DECR DECRBY DEL EXPIRE EXPIREAT GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE GETDEL "
     "GETEX GETSET HDEL HINCRBY HINCRBYFLOAT HMSET HSET HSETNX INCR INCRBY INCRBYFLOAT LINSERT LMOVE LPOP LPUSH LPUSHX "
     "LREM LSET LTRIM MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFMERGE PSETEX RENAME RENAMENX RESTORE RPOP "
     "RPOPLPUSH RPUSH RPUSHX SADD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE SMOVE SORT SPOP SPUBLISH SREM "
     "SUNIONSTORE UNLINK XACK XADD XAUTOCLAIM XCLAIM XDEL XSETID XTRIM ZADD ZDIFFSTORE ZINCRBY ZINTERSTORE ZPOPMAX "
     "ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZUNIONSTORE JSON.SET JSON.DEL BF.ADD "
     "BF.MADD CF.ADD TS.ADD"},
    {Effect::kWrites, 2,
     "BITOP LMPOP ZMPOP XGROUP|CREATE XGROUP|CREATECONSUMER XGROUP|DELCONSUMER XGROUP|DESTROY XGROUP|SETID"},
    {Effect::kWrites, 3, "EVAL EVALSHA FCALL"},
    {Effect::kBlocks, 1, "BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN"},
    {Effect::kBlocks, 3, "BLMPOP BZMPOP"},
    {Effect::kBlocks, 0, "WAIT WAITAOF"},
    {Effect::kNever, 0,
     "SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE SHUTDOWN REPLICAOF SLAVEOF FAILOVER "
     "REPLCONF MIGRATE RESTORE-ASKING DEBUG SAVE BGSAVE BGREWRITEAOF PFDEBUG PFSELFTEST CLIENT|CACHING CLIENT|KILL "
     "CLIENT|PAUSE CLIENT|REPLY CLIENT|SETINFO CLIENT|TRACKING CLIENT|UNBLOCK CLIENT|UNPAUSE ACL|LOAD ACL|SAVE "
     "CLUSTER|ADDSLOTS CLUSTER|ADDSLOTSRANGE CLUSTER|BUMPEPOCH CLUSTER|DELSLOTS CLUSTER|DELSLOTSRANGE "
     "CLUSTER|FAILOVER CLUSTER|FLUSHSLOTS CLUSTER|FORGET CLUSTER|MEET CLUSTER|REPLICATE CLUSTER|RESET "
     "CLUSTER|SAVECONFIG CLUSTER|SET-CONFIG-EPOCH CLUSTER|SETSLOT CONFIG|REWRITE FUNCTION|KILL SCRIPT|KILL "
     "SCRIPT|DEBUG MODULE|LOAD MODULE|LOADEX MODULE|UNLOAD"},
    {Effect::kQuits, 0, "QUIT"},
    {Effect::kTakesOver, 0, "MONITOR SYNC PSYNC"},
    {Effect::kCredentials, 0, "AUTH"},
    {Effect::kHello, 0, "HELLO"},
    {Effect::kSession, 0, "SELECT CLIENT|SETNAME CLIENT|NO-EVICT CLIENT|NO-TOUCH READONLY READWRITE"},
    {Effect::kReset, 0, "RESET"},
    {Effect::kAsking, 0, "ASKING"},
    {Effect::kWatch, 1, "WATCH"},
    {Effect::kUnwatch, 0, "UNWATCH"},
    {Effect::kMulti, 0, "MULTI"},
    {Effect::kEnds, 0, "EXEC DISCARD"},
};
constexpr std::string_view kContainers =
    "ACL CLIENT CLUSTER COMMAND CONFIG FUNCTION LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT SLOWLOG XGROUP XINFO";

template <class Take>
void each_word(std::string_view words, Take take) {
  while (!words.empty()) {
    const auto end = std::min(words.find(' '), words.size());
    take(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

// Open addressing: found in a step or two.
class Table {
 public:
  Table() {
    names_.reserve(kSlots);  // their texts must stay where they are
    for (const Group& group : kGroups)
      each_word(group.names, [&](std::string_view name) { add({name, group.effect, group.key}); });
    each_word(kContainers, [&](std::string_view name) {
      if (Command* known = slot(name); known->name == name) {
        known->container = true;
      } else {
        add({.name = name, .container = true});
      }
    });
  }
  const Command* find(std::string_view name) const {
    const Command* found = const_cast<Table*>(this)->slot(name);
    return found->name.empty() ? nullptr : found;
  }

 private:
  static constexpr std::size_t kSlots = 1024;
  void add(Command command) {
    names_.emplace_back(command.name);
    std::replace(names_.back().begin(), names_.back().end(), '|', ' ');
    command.name = names_.back();
    *slot(command.name) = command;
  }
  Command* slot(std::string_view name) {
    std::uint32_t hash = 2166136261u;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    std::size_t at = (hash ^ hash >> 15) % kSlots;
    while (!slots_[at].name.empty() && slots_[at].name != name) at = (at + 1) % kSlots;
    return &slots_[at];
  }

  std::vector<Command> slots_ = std::vector<Command>(kSlots);
  std::vector<std::string> names_;
};

}  // namespace

const Command* find_command(std::string_view name) {
  static const Table table;
  return name.empty() ? nullptr : table.find(name);
}

}  // namespace gnomon::protocol::resp

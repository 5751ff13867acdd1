// The provider interface (SPEC 1, 3): what a discovery backend must be to Rollcall. A newcomer
// implements ProviderFactory, ClusterProvider and ProviderStream in one folder of providers/ and
// adds one line to providers/catalog.cpp.
//
// Threads: a ClusterProvider is used from any thread; a ProviderStream belongs to one provider
// thread, except cancel(), which any thread may call at any time and more than once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/announcer.h"
#include "core/descriptor.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/node.h"
#include "core/time.h"

namespace rollcall {

// When the answer was obtained, which the core needs to judge it.
struct AnswerTimes {
  MonoTime read_began{};   // request sent (polled) or event arrived (pushed): R4.4 compares with it
  MonoTime complete{};     // whole answer there: the sign of life
  WallTime observed_at{};  // wall time at `complete`; information only
};

// The complete list of members as the backend has it now. The runner turns it into a difference;
// its hash, the blocks and the health of who said it are kept by the core, beside its view.
// Two members with one id: the runner makes the whole answer Failed{MALFORMED_RESPONSE} (SPEC 3).
struct ProviderSnapshot {
  std::vector<ClusterNode> members;
  std::string backend_index;  // Consul index, etcd revision, ETag …; shown to operators
  // Rises by one when the backend's history broke (INDEX_ROLLBACK, another cluster identity): the
  // first answer of a new lineage that would remove members has to stand for 60 s (SPEC 3).
  // Another endpoint of the same backend is no break.
  std::uint64_t lineage = 0;
  AnswerTimes times;
};

// A push stream's difference to what it said before.
struct ChangeAnswer {
  std::vector<ClusterNode> upserts;
  std::vector<NodeId> removals;
  std::string backend_index;
  AnswerTimes times;
};

// "What you know is still complete": the heartbeat, due every attest interval (SPEC 3).
struct UnchangedAnswer {
  AnswerTimes times;
};

// An answer that failed, was partial or was filtered; the stream goes on. It never carries members:
// only a confirmed answer may change the topology. After it the core says when to ask again.
struct FailedAnswer {
  ErrorCode code = ErrorCode::BackendUnavailable;
  std::string detail;  // for the log and operators; no secret, at most 512 bytes
};

// The stream is over; next() isn't called again. The core decides when a new one starts.
struct Terminated {
  bool ended = false;  // true: the backend closed in order; false: it errored
  ErrorCode code = ErrorCode::BackendUnavailable;  // of an error
  std::string reason;
};

using ProviderEvent =
    std::variant<ProviderSnapshot, ChangeAnswer, UnchangedAnswer, FailedAnswer, Terminated>;

class ProviderStream {
 public:
  virtual ~ProviderStream() = default;
  // Blocks until there is something to say, at most a little longer than the attest interval. After
  // cancel() it returns within 1 s, with anything. The first event that isn't a failure is a
  // ProviderSnapshot.
  virtual ProviderEvent next() = 0;
  virtual void cancel() noexcept = 0;
};

// What a provider can do; R1.3 wants `watch`.
struct Capabilities {
  bool watch = true;    // can follow changes (push, blocking query, or a bounded poll)
  std::string missing;  // what is lacking and since when it exists, for the operator
};

// Adds and removes members of a provider that Rollcall itself is the source of (in-memory).
// Thread-safe. A call that returned success is durable.
class MemberRegistrar {
 public:
  virtual ~MemberRegistrar() = default;
  // Same id: replaced. INVALID_CONFIG, LIMIT_EXCEEDED, STORE_IO.
  virtual Result<void> join(const ClusterNode& node) = 0;
  virtual Result<void> leave(const NodeId& id) = 0;  // NOT_FOUND if absent
};

class ClusterProvider {
 public:
  virtual ~ClusterProvider() = default;
  virtual const ProviderDescriptor& descriptor() const = 0;
  // Can the backend be reached, and does it accept our credentials? At most until `deadline`
  // (R1.4). Answers what the backend can do; BACKEND_UNAVAILABLE, TIMEOUT, AUTH_FAILED, …
  virtual Result<Capabilities> check_connectivity(MonoTime deadline) = 0;
  // One full read, for tools and the conformance suite; the service uses stream().
  virtual Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) = 0;
  // A new stream; several may exist one after another, never two at once.
  virtual std::unique_ptr<ProviderStream> stream() = 0;
  // How often the stream attests at the latest. 5 s in-memory and file, 12 s others; a polled
  // provider with a longer refresh says so, and the health limits stretch with it (SPEC 3).
  virtual Duration attest_interval() const = 0;
  virtual Capabilities capabilities() const { return {}; }
  virtual MemberRegistrar* registrar() { return nullptr; }
  // Announces this node through the provider's backend; no I/O yet. Null: the kind can't
  // (KindInfo::announces). One at a time is in use, beside stream().
  virtual std::unique_ptr<Announcer> announcer(const Announcement&) { return nullptr; }
};

// What a provider may use of the process. Outlives every provider.
struct ProviderContext {
  Clock* clock = nullptr;
  FileSystem* files = nullptr;  // for state below state_dir (in-memory members)
  std::string state_dir;        // absolute
};

// One documented setting of a kind: drives checking, `rollcall providers kinds` and the reference.
struct ParamSpec {
  std::string_view name;
  std::string_view type;      // "string", "integer", "duration_ms", "path", "enum a|b"
  std::string_view fallback;  // default as text; empty: none
  bool required = false;
  std::string_view doc;  // one sentence
};

struct KindInfo {
  std::string_view kind;
  std::string_view summary;  // one sentence
  bool external = true;      // has a backend whose connectivity is verified before accepting (R1.4)
  bool needs_endpoints = true;
  std::vector<ParamSpec> params;
  bool announces = false;  // offers an Announcer
};

class ProviderFactory {
 public:
  virtual ~ProviderFactory() = default;
  virtual const KindInfo& info() const = 0;
  // Problems of the kind's own fields; `field` prefixes the paths. No I/O.
  virtual std::vector<Problem> validate(const ProviderDescriptor& d,
                                        std::string_view field) const = 0;
  virtual Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                          const ProviderContext& context) const = 0;
};

// The built-in kinds. Implemented by providers/catalog.cpp; the tests have their own.
class ProviderCatalog {
 public:
  virtual ~ProviderCatalog() = default;
  virtual const ProviderFactory* find(std::string_view kind) const = 0;  // null: not built in
  virtual std::vector<const ProviderFactory*> all() const = 0;           // sorted by kind
};

// Checks `d.watch_params` against `info.params` (unknown name, missing, wrong type) and endpoints
// against needs_endpoints. What a factory's validate() starts with.
std::vector<Problem> validate_params(const KindInfo& info, const ProviderDescriptor& d,
                                     std::string_view field);

}  // namespace rollcall

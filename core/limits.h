// Every bound in one place, with its reason (DESIGN style rule 6). Values that an operator may
// change are defaults here and fields of the configuration.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// --- members: what one backend may make us hold ---
inline constexpr std::size_t kMaxMembers = 200'000;     // twice the largest cluster we measure
inline constexpr std::size_t kMaxNodeIdBytes = 256;     // node name + service id of Consul fit
inline constexpr std::size_t kMaxHostBytes = 253;       // RFC 1035 name, textual
inline constexpr std::size_t kMaxZoneBytes = 128;
inline constexpr std::size_t kMaxIncarnationBytes = 128;
inline constexpr std::size_t kMaxLabels = 64;           // Consul allows 64 meta pairs
inline constexpr std::size_t kMaxLabelKeyBytes = 128;   // Consul's own limit
inline constexpr std::size_t kMaxLabelValueBytes = 512; // Consul's own limit
inline constexpr std::size_t kMaxNodeBytes = 16 * 1024; // canonical bytes of one member: keeps events small

// --- descriptors ---
inline constexpr std::size_t kMaxProviders = 64;        // metric labels and streams stay bounded
inline constexpr std::size_t kMaxJudgedProviders = 1024;  // a larger set is not even judged
inline constexpr std::size_t kMaxProviderIdBytes = 64;
inline constexpr std::size_t kMaxEndpoints = 16;
inline constexpr std::size_t kMaxEndpointBytes = 512;
inline constexpr std::size_t kMaxWatchParams = 32;
inline constexpr std::size_t kMaxParamBytes = 2048;

// --- text and answers ---
inline constexpr std::size_t kMaxProblems = 1024;         // kept of total_problems: 16 of each of 64 providers;
                                                          // below 1 MiB, whatever a hostile input holds
inline constexpr std::size_t kMaxDetailProblems = 32;     // of them in a status detail, as far as 4 KiB hold them
inline constexpr std::size_t kMaxProblemValueBytes = 128;
inline constexpr std::size_t kMaxProblemFieldBytes = 256; // paths hold keys that a hostile input chose
inline constexpr std::size_t kMaxErrorDetailBytes = 4096; // SPEC 8: gRPC drops errors above about 8 kB
inline constexpr std::size_t kMaxBackendAnswerBytes = 64u << 20;  // 100,000 Consul entries are ~56 MB
inline constexpr std::size_t kMaxConfigBytes = 4u << 20;
inline constexpr std::size_t kMaxMemberFileBytes = 64u << 20;
inline constexpr std::size_t kMaxTokenFileBytes = 16u << 10;
inline constexpr int kMaxDepth = 32;                      // nesting of any JSON or YAML that we read
inline constexpr std::size_t kMaxDocumentValues = 4'000'000;  // 200,000 members of 20 values: bounds memory at
                                                              // ~100 bytes a value, whatever 64 MB of "[" hold
inline constexpr std::size_t kMaxScalarBytes = 1u << 20;  // one string of a YAML document
inline constexpr std::size_t kMaxPathBytes = 4096;        // PATH_MAX
inline constexpr std::size_t kMaxReasonBytes = 256;       // what an operator types into --reason

// --- liveness and failover (SPEC 3) ---
inline constexpr seconds kDegradedAfter{12};
inline constexpr seconds kTimeout{15};
inline constexpr int kMaxErrors = 3;
inline constexpr seconds kBackoffInitial{2};
inline constexpr seconds kBackoffMax{30};
inline constexpr seconds kCooldown{10};
inline constexpr minutes kSwitchDefault{10};
inline constexpr hours kSwitchMax{24};
inline constexpr int kHoldFailures = 5;
inline constexpr seconds kHoldWindow{60};
inline constexpr seconds kRollbackStand{60};
inline constexpr seconds kConnectivityDeadline{5};

// --- log and subscribers (SPEC 5) ---
inline constexpr std::size_t kLogBytes = 16u << 20;        // default size of the event log
inline constexpr std::size_t kLogBlockBytes = 256u << 10;  // the log is evicted a block at a time
inline constexpr std::size_t kMaxEventBytes = 1u << 20;    // above: `reset`
inline constexpr std::size_t kMaxBatchBytes = 256u << 10;  // one gRPC message of events
inline constexpr std::size_t kMaxChunkBytes = 1u << 20;    // one snapshot chunk
inline constexpr std::size_t kMaxSnapshotVersions = 2;
inline constexpr std::size_t kMaxSubscribers = 4096;
inline constexpr seconds kBookmarkEvery{5};
inline constexpr seconds kWriteStall{30};
inline constexpr seconds kHubTick{1};                      // how late a bookmark or a stall may be noticed
inline constexpr seconds kEncoderRestMax{2};               // between two snapshot encodings
inline constexpr std::size_t kMaxConsumerIdBytes = 128;
inline constexpr std::size_t kMetricConsumers = 64;        // then label "other"

// --- what consumers say (SPEC 6) ---
inline constexpr seconds kMaxPlacementWait{60};
inline constexpr std::size_t kMaxPlacementWaits = 256;     // GetLatestSnapshot calls that wait for placement
inline constexpr std::size_t kMaxLeases = 65'536;
inline constexpr std::size_t kMaxLeaseBytes = 1024;
inline constexpr std::size_t kMaxBlocks = 10'000;
inline constexpr hours kBlockLifetime{24};
inline constexpr std::size_t kMaxWaitingRequests = 1024;   // block reports waiting for one disk write

// --- service ---
inline constexpr std::size_t kMaxPendingCommands = 1024;   // then LIMIT_EXCEEDED to the caller
inline constexpr seconds kDrainDeadline{5};
inline constexpr seconds kTopologySaveEvery{5};            // cached topology: at most this often

inline constexpr seconds kStreamStopDeadline{2};        // a cancelled stream returns within 1 s (provider.h)
inline constexpr minutes kResumeAtLatest{10};           // a runner asks again then, whatever happened to its resume
inline constexpr std::size_t kMaxAbandonedStreams = 32; // threads that never returned; then no new streams
inline constexpr std::size_t kOperatorEvents = 256;     // kept for WatchEvents
inline constexpr std::size_t kMaxEventWatchers = 64;    // WatchEvents calls at once

// --- announcing this node (provisioning/announce) ---
inline constexpr std::size_t kMaxAnnounceProviders = 4;      // one thread renews at all of them in time
inline constexpr seconds kAnnounceTtl{30};
inline constexpr seconds kAnnounceTtlMin{3};                 // etcd raises what is below 2 s
inline constexpr hours kAnnounceTtlMax{24};
inline constexpr std::size_t kMaxAnnounceSocketBytes = 107;  // sockaddr_un::sun_path without its NUL

// --- registry and state files (SPEC 7) ---
inline constexpr std::size_t kMaxRegistryWriters = 64;  // wait for the one that stores; then LIMIT_EXCEEDED
inline constexpr milliseconds kConnectivityGrace{500};  // providers are told a deadline that much earlier
inline constexpr int kMaxRegistryRetries = 8;           // a write is judged again when another came first
inline constexpr std::size_t kMaxStateFileBytes = 16u << 20;     // 10,000 blocks are ~4 MB
inline constexpr std::size_t kMaxTopologyFileBytes = 256u << 20; // 200,000 members of ~1 KiB

// --- a fleet's registry (provisioning/fleet) ---
// etcd takes requests of at most 1.5 MiB; a document of 1 MiB leaves room for what is around it.
inline constexpr std::size_t kMaxFleetDocumentBytes = 1u << 20;
inline constexpr milliseconds kFleetLook{3000};       // one question, over all endpoints
inline constexpr milliseconds kFleetSwap{2500};       // one write; with a look before and after it and 5 s for the
                                                      // backends it stays below a client's 15 s
inline constexpr seconds kFleetLookEvery{4};          // a quiet store is asked that often
inline constexpr milliseconds kFleetRetryInitial{500};// after a failure, doubling …
inline constexpr seconds kFleetRetryMax{5};           // … up to this: a fleet follows soon after the store is back
inline constexpr double kFleetRetryJitter = 0.2;      // and not all sidecars at once
inline constexpr int kFleetLookAgain = 4;             // a look that a write of ours overtook is repeated

// --- telemetry ---
inline constexpr int kLogBurst = 100;                   // lines of one event name at once …
inline constexpr int kLogPerSecond = 20;                // … and after that
inline constexpr std::size_t kLogEventNames = 256;      // more share one budget
inline constexpr std::size_t kMaxLogLineBytes = 8 * 1024;
inline constexpr std::size_t kMaxLogTextBytes = 2 * 1024;  // of one field

}  // namespace rollcall::limits

// What a fleet shares, as a text: the providers in the form of `providers.jsonl`
// (provisioning/registry/providers_document.h), with the fleet's identity in the last line. One
// document is one set, so that a switch is atomic by nature; it can be read with etcdctl, and a
// `providers.jsonl` can be put there as it is.
//
// The local copy of it, `fleet.jsonl` in the state directory, says in its last line also of which
// document it is a copy.
//
// Pure functions and values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file_system.h"
#include "core/provider_store.h"
#include "core/shared_document.h"
#include "provisioning/registry/providers_document.h"

namespace rollcall {

struct FleetSet {
  std::uint64_t fleet = 0;        // drawn when the fleet's first set was stored; 0: it has none
  StoredProviders set;            // every origin is Api: a fleet has no configuration of its own
  UnknownProviderFields unknown;  // what a later version added

  bool same_set(const FleetSet& other) const {
    return set.revision == other.set.revision && set.providers == other.set.providers;
  }
};

struct FleetDocumentError {
  bool newer = false;  // nothing is damaged: a later version wrote it
  ProvisioningError error;
};

// STORE_CORRUPTED with line and reason; LIMIT_EXCEEDED above limits::kMaxFleetDocumentBytes.
tl::expected<FleetSet, FleetDocumentError> decode_fleet_document(std::string_view text);
// LIMIT_EXCEEDED as above, naming the limit.
Result<std::string> encode_fleet_document(const FleetSet& set);

struct FleetCopy {
  FleetSet set;
  std::uint64_t history = 0;  // SharedVersion's
  std::string key;            // which document
};
// None: there is none. STORE_CORRUPTED with the command that recovers, STORE_IO.
Result<std::optional<FleetCopy>> read_fleet_copy(FileSystem& files, const std::string& directory);
// STORE_IO. It is a copy: what is lost with it is there to be read again.
Result<void> write_fleet_copy(FileSystem& files, const std::string& directory,
                              const FleetCopy& copy);

// What is there, seen from what is followed here.
enum class FleetVerdict : std::uint8_t {
  Absent,    // no set, and none was ever followed: a fleet that begins
  First,     // a set, and none was ever followed
  Same,      // the set that is followed
  Newer,     // a later one of the same fleet
  Gone,      // none, though one was followed: the store lost its state
  Older,     // an earlier one: the store was restored from a backup
  Diverged,  // as late as the one that is followed, but another
  Foreign,   // another fleet's, in another store
  Broken,    // not a document of ours, or not whole
  TooNew,    // for a later version of this program
};
std::string_view to_string(FleetVerdict verdict);

// What may be done about each; the table is in the .cpp.
struct FleetRule {
  bool take_over = false;         // offered to the registry
  bool write = false;             // save() replaces it
  bool write_on_purpose = false;  // save_over() replaces it
};
FleetRule rule_of(FleetVerdict verdict);

// `followed`: null if nothing is. `seen`: null if there is no document.
FleetVerdict judge(const FleetCopy* followed, const SharedVersion& version, const FleetSet* seen);

}  // namespace rollcall

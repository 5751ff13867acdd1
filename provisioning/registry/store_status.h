// StoreStatus: where the accepted descriptors live and how that store is, for operators and
// metrics. A file of one's own is always there; a store that a fleet shares may be out of reach, or
// hold what must not be followed, and the set that runs here goes on.
//
// Threads: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/ids.h"
#include "core/time.h"

namespace rollcall {

struct StoreStatus {
  enum class State : std::uint8_t {
    Own = 1,        // a file of this sidecar
    Waiting = 2,    // shared, and not reached since the start
    Following = 3,  // shared, and what is there runs here
    Lost = 4,       // shared, and out of reach now
    Refused = 5,    // shared, and what is there is not what runs here: `trouble` says why
  };
  std::string kind = "file";  // or "etcd"
  std::string where;          // the file, or the key
  State state = State::Own;
  std::optional<Revision> seen;         // of the set that is in a shared store; none: not known
  std::optional<Duration> contact_age;  // since it answered last; none: not since the start
  std::optional<WallTime> contact_at;   // the same in wall time
  std::optional<ProvisioningError>
      trouble;  // of Lost, Waiting (if there was a failure) and Refused
};

constexpr std::string_view to_string(StoreStatus::State state) {
  switch (state) {
    case StoreStatus::State::Own:
      return "own";
    case StoreStatus::State::Waiting:
      return "waiting";
    case StoreStatus::State::Following:
      return "following";
    case StoreStatus::State::Lost:
      return "lost";
    case StoreStatus::State::Refused:
      return "refused";
  }
  return "own";
}

}  // namespace rollcall

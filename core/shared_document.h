// SharedDocument: one text in a store that several sidecars reach: read, followed, and replaced by
// compare and set. It knows nothing of what the text means; the fleet's registry
// (provisioning/fleet) keeps its set of providers in one, so that a switch of the whole set is
// atomic by nature. providers/etcd has the real one: a key of etcd.
//
// Threads: an object belongs to one thread at a time; cancel() comes from any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/time.h"

namespace rollcall {

// Which write of the document, in whose history. The numbers alone do not tell: a store that was
// restored from a backup gives them again, to another text. Two that are equal are the same text.
struct SharedVersion {
  std::uint64_t history = 0;  // the store's identity (etcd: cluster id); 0: never looked
  std::int64_t written = 0;   // rises with each write (etcd: mod_revision); 0: there is no document
  std::int64_t writes = 0;    // since it was created (etcd: version)
  std::uint64_t digest = 0;   // of the text
  friend bool operator==(const SharedVersion&, const SharedVersion&) = default;
};

struct SharedState {
  SharedVersion version;
  std::optional<std::string> text;  // none: there is no document, or it is certainly the known one
};

struct SwapFailure {
  enum class Kind : std::uint8_t {
    Changed,  // it is no longer the expected version
    Refused,  // nothing was written
    Unknown,  // the answer was lost: it may have been written, or may yet be
  };
  Kind kind = Kind::Refused;
  ProvisioningError error;
};

class SharedDocument {
 public:
  virtual ~SharedDocument() = default;

  // The newest that the store confirms (a quorum, not one member's memory). Its text may be left
  // out if it is the `known` version. Errors are those of a backend: BACKEND_UNAVAILABLE, TIMEOUT,
  // AUTH_FAILED, PERMISSION_DENIED …, SHUTTING_DOWN once cancelled.
  virtual Result<SharedState> look(const SharedVersion& known, MonoTime deadline) = 0;

  // Replaces the version that a look() has shown, or creates the document if there was none. The
  // new version.
  virtual tl::expected<SharedVersion, SwapFailure> swap(const SharedVersion& expected,
                                                        std::string_view text,
                                                        MonoTime deadline) = 0;

  // Returns when there may be something new since the last look(), at the latest at `deadline`;
  // what is there only a look() says.
  virtual void wait(MonoTime deadline) = 0;

  // Ends whatever waits, and everything that comes, within moments.
  virtual void cancel() noexcept = 0;
};

}  // namespace rollcall

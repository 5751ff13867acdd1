// ProviderAnnouncement: this node at one provider: the machine that decides, the announcer that
// calls the backend, and what operators are told of both.
//
// Threads: belongs to the announcing thread; only AnnounceCancel is shared with others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/announcer.h"
#include "core/provider.h"
#include "provisioning/announce/announce_machine.h"
#include "provisioning/hub/mutex.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/service/service_telemetry.h"

namespace rollcall {

// What is observed, for operators.
struct AnnounceStatus {
  ProviderId provider;
  AnnounceState state = AnnounceState::Waiting;
  MonoTime since{};                      // in this state
  NodeId listed_as;                      // under which the provider lists it; empty: not known yet
  std::optional<WallTime> last_success;  // of registering or renewing
  std::uint64_t registrations = 0;       // that succeeded
  std::uint64_t renewals = 0;            // that succeeded
  std::uint64_t lost = 0;                // the backend did not know the node any more
  std::uint64_t missing = 0;             // times the node was missing in the provider's own list
  std::optional<ErrorCode> last_error;   // since the last call that succeeded
  std::string last_error_detail;
};

// The announcer whose call is at hand, for whoever ends it from another thread.
class AnnounceCancel {
 public:
  void cancel() noexcept;      // all calls, from now on
  void cancel_one() noexcept;  // the call at hand, and all of that announcer
  void set(std::shared_ptr<Announcer> calling);

 private:
  Mutex mutex_;
  std::shared_ptr<Announcer> calling_ ROLLCALL_GUARDED_BY(mutex_);
  bool cancelled_ ROLLCALL_GUARDED_BY(mutex_) = false;
};

class ProviderAnnouncement {
 public:
  struct Context {  // all outlive it
    const Clock* clock = nullptr;
    ServiceTelemetry* telemetry = nullptr;
    AnnounceCancel* cancel = nullptr;
  };
  ProviderAnnouncement(ProviderId id, const Announcement& what, std::uint64_t seed,
                       const Context& context);

  // The provider as it is registered now (null: it is not, or it could not be made), and what the
  // service knows of it.
  void look(const std::shared_ptr<ClusterProvider>& provider, const ProviderStatus* seen);
  void due();  // machine().due() has come
  // The first step of draining, and each that is due then; calls take until `until`.
  void drain(MonoTime until);
  void drained();  // the time is over

  const AnnounceMachine& machine() const { return machine_; }
  const AnnounceStatus& status() const { return status_; }

 private:
  struct Outcome {
    AnnounceInput input = AnnounceInput::Failed;
    Duration ttl{};
  };
  void step(AnnounceInput input, const std::string& why = {});
  Outcome carry_out(AnnounceCall call);
  Outcome call(AnnounceCall call, MonoTime deadline);
  Outcome failed(AnnounceCall call, const ProvisioningError& error);
  void registered(const Announced& announced);
  void replaced(const std::shared_ptr<ClusterProvider>& provider, std::string why_unable);
  void compare(const ProviderStatus& seen);
  void withdraw_former(MonoTime deadline);
  void tell(AnnounceState before, AnnounceInput input, const std::string& why);
  void tell(OperatorNotice::Level level, std::string_view event, std::optional<ErrorCode> code,
            std::string message);
  std::string shown() const;

  const Announcement what_;
  const Context c_;
  AnnounceMachine machine_;
  AnnounceStatus status_;
  std::weak_ptr<ClusterProvider> provider_;  // for which there is an announcer, or is none
  bool known_ = false;                       // there is such a provider …
  bool broken_ = false;                      // … and it could not be made
  bool told_waiting_ = false;
  std::shared_ptr<Announcer> announcer_;
  std::shared_ptr<Announcer> former_;  // of a replaced provider, until announcer_ has registered
  std::optional<MonoTime> registered_at_;
  Duration ttl_{};  // that counts at the backend
  std::optional<MonoTime> drain_until_;
};

}  // namespace rollcall

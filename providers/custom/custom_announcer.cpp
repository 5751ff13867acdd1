#include "providers/custom/custom_announcer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "providers/common/cancel.h"
#include "providers/custom/grpc_up.h"
#include "providers/custom/limits.h"
#include "providers/custom/plugin_connection.h"
#include "providers/custom/plugin_messages.h"

namespace rollcall {
namespace {

class CustomAnnouncer : public Announcer {
 public:
  CustomAnnouncer(std::shared_ptr<const PluginSettings> settings, const Announcement& what,
                  const Clock& clock)
      : settings_(std::move(settings)), what_(what), clock_(clock), io_{clock, cancel_} {}

  // Where a plug-in writes is its own affair, and two of different arguments may well lead to one
  // place: all have one name, so that what one has registered is never withdrawn by another. A
  // place that was left ends with its TTL.
  const std::string& registration() const override { return name_; }

  Result<Announced> register_node(MonoTime deadline) override {
    if (auto ready = connect(deadline); !ready) return tl::unexpected(std::move(ready.error()));
    if (!connection_->identity().announce) {
      return fail(ErrorCode::CapabilityMissing, "the plug-in " + connection_->identity().name +
                                                    " does not offer the capability `announce`");
    }
    announced_ = true;  // whatever becomes of the answer
    auto answer = connection_->session().announce(what_.node, what_.ttl, deadline);
    if (!answer) return tl::unexpected(given_up(std::move(answer.error())));
    const Duration within = std::chrono::milliseconds(answer->renew_within_ms());
    if (within > what_.ttl || within < Duration(limits::kPluginRenewMin)) {
      return fail(ErrorCode::MalformedResponse,
                  "the plug-in " + connection_->identity().name + " wants to be renewed within " +
                      std::to_string(answer->renew_within_ms()) + " ms: from " +
                      std::to_string(to_ms(limits::kPluginRenewMin)) +
                      " ms to the TTL are possible");
    }
    return Announced{within, what_.node.id};
  }

  // Announcing again is renewing. A plug-in that was started anew may have forgotten everything.
  Result<Standing> renew(MonoTime deadline) override {
    if (!connection_ || connection_->lost()) return Standing::NotKnown;
    auto answer = connection_->session().announce(what_.node, what_.ttl, deadline);
    if (answer) return Standing::Known;
    ProvisioningError error = given_up(std::move(answer.error()));
    if (error.code == ErrorCode::BackendUnavailable && !connection_) return Standing::NotKnown;
    return tl::unexpected(std::move(error));
  }

  Result<void> withdraw(MonoTime deadline) override {
    if (!announced_) return {};
    if (auto ready = connect(deadline); !ready) return ready;
    auto answer = connection_->session().withdraw(what_.node, deadline);
    if (!answer) return tl::unexpected(given_up(std::move(answer.error())));
    announced_ = false;
    connection_.reset();  // and the process with it
    return {};
  }

  void cancel() noexcept override {
    cancel_.cancel();
    current_.cancel();
  }

 private:
  Result<void> connect(MonoTime deadline) {
    if (cancel_.cancelled()) return fail(ErrorCode::ShuttingDown, "cancelled");
    if (connection_ && connection_->lost()) connection_.reset();
    if (connection_) return {};
    const MonoTime by = std::min(deadline, clock_.now() + settings_->start);
    auto opened = PluginConnection::open(*settings_, by, io_, current_);
    if (!opened) return tl::unexpected(std::move(opened.error()));
    connection_ = std::move(*opened);
    return {};
  }

  // A refusal is an answer; after anything else the connection is of no more use.
  ProvisioningError given_up(ProvisioningError error) {
    const ErrorCode code = error.code;
    const bool broken = code == ErrorCode::BackendUnavailable || code == ErrorCode::Timeout ||
                        code == ErrorCode::LimitExceeded || code == ErrorCode::MalformedResponse;
    error = connection_->explain(std::move(error), broken, io_);
    if (broken) connection_.reset();
    return error;
  }

  const GrpcUp grpc_up_;
  const std::shared_ptr<const PluginSettings> settings_;
  const Announcement what_;
  const Clock& clock_;
  const std::string name_ = "plug-in";
  Cancel cancel_;
  const Io io_;
  CurrentCall current_;
  bool announced_ = false;  // the plug-in may have announced it
  std::unique_ptr<PluginConnection> connection_;
};

}  // namespace

std::unique_ptr<Announcer> make_custom_announcer(std::shared_ptr<const PluginSettings> settings,
                                                 const Announcement& what, const Clock& clock) {
  return std::make_unique<CustomAnnouncer>(std::move(settings), what, clock);
}

}  // namespace rollcall

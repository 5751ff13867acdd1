#include "deploy/rollcall-conformance/check_support.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "providers/custom/custom_provider.h"

namespace rollcall::conformance {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Pass:
      return "pass";
    case Outcome::Fail:
      return "FAIL";
    case Outcome::Advice:
      return "advice";
    case Outcome::NotChecked:
      return "not checked";
  }
  return "?";
}

std::string text_of(const ProvisioningError& error) {
  return std::string(to_string(error.code)) + ": " + error.message;
}

std::unique_ptr<ClusterProvider> provider_of(const PluginTarget& target, const Clock& clock,
                                             const std::string& config) {
  // The context's clock isn't const for history's sake; a provider only reads it.
  const ProviderContext context{const_cast<Clock*>(&clock), nullptr, ""};
  auto provider = make_custom_factory()->create(target.descriptor(config), context);
  if (!provider) std::abort();  // PluginTarget::open() has checked the descriptor
  return std::move(*provider);
}

Result<ProviderEvent> next_answer(ProviderStream& stream) {
  ProviderEvent event = stream.next();
  if (const auto* failure = std::get_if<FailedAnswer>(&event)) {
    return fail(failure->code, failure->detail);
  }
  if (const auto* end = std::get_if<Terminated>(&event)) return fail(end->code, end->reason);
  return event;
}

Result<ProviderSnapshot> first_snapshot(ProviderStream& stream) {
  auto event = next_answer(stream);
  if (!event) return tl::unexpected(std::move(event.error()));
  if (auto* snapshot = std::get_if<ProviderSnapshot>(&*event)) return std::move(*snapshot);
  return fail(ErrorCode::MalformedResponse, "the watch did not begin with a snapshot");
}

Verdict ends_when_cancelled(ProviderStream& stream, const Clock& clock) {
  const MonoTime began = clock.now();
  std::thread canceller([&] { stream.cancel(); });
  bool over = false;
  Duration took{};
  while (!over && took <= Duration(kCancelAtMost)) {  // one that talks on is not over either
    over = std::holds_alternative<Terminated>(stream.next());
    took = clock.now() - began;
  }
  canceller.join();
  const std::string ms = std::to_string(to_ms(took)) + " ms";
  if (took <= Duration(kCancelAtMost)) return pass(ms);
  return failed(over ? "it took " + ms : "it goes on after " + ms);
}

Result<std::unique_ptr<RawSession>> raw_session(const PluginTarget& target, const Clock& clock) {
  auto fd = target.connect();
  if (!fd) return tl::unexpected(std::move(fd.error()));
  return std::make_unique<RawSession>(std::move(*fd), clock);
}

}  // namespace rollcall::conformance

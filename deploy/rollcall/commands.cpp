#include "deploy/rollcall/commands.h"

#include <utility>

#include "bridges/client/status_error.h"
#include "core/codec/json_writer.h"
#include "core/text.h"
#include "deploy/rollcall/show_error.h"
#include "deploy/rollcall/show_events.h"
#include "deploy/rollcall/show_status.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {

ExitCode Terminal::fail(const ProvisioningError& error, ExitCode code) const {
  err << (json ? error_json(error) : error_text(error)) << std::flush;
  return code;
}

ExitCode Terminal::fail(const ProvisioningError& error) const {
  return fail(error, client::is_no_answer(error) ? ExitCode::NoAnswer : ExitCode::Refused);
}

ExitCode Terminal::print(const Result<std::string>& text) const {
  if (!text) return fail(text.error());
  out << *text;
  if (!text->ends_with('\n')) out << '\n';
  return flush();
}

ExitCode Terminal::flush() const {
  out << std::flush;
  if (out) return ExitCode::Ok;
  return fail({ErrorCode::StoreIo, "the output could not be written", {}, 0}, ExitCode::NoOutput);
}

ExitCode Commands::status(bool check) const {
  const auto status = admin_.get_status();
  if (!status) return terminal_.fail(status.error());
  const auto providers = admin_.list_providers();
  if (!providers) return terminal_.fail(providers.error());
  const ExitCode printed =
      terminal_.print(terminal_.json ? status_json(*status, *providers)
                                     : Result<std::string>(status_text(*status, *providers)));
  if (printed != ExitCode::Ok || !check) return printed;
  return diagnose(*status, *providers).empty() ? ExitCode::Ok : ExitCode::Unhealthy;
}

ExitCode Commands::members() const {
  const auto topology = admin_.get_topology();
  if (!topology) return terminal_.fail(topology.error());
  if (terminal_.json) return terminal_.print(members_json(topology->view()));
  return terminal_.print(members_text(topology->view()));
}

ExitCode Commands::events(std::uint32_t backlog, std::uint64_t count) const {
  std::uint64_t printed = 0;
  ExitCode result = ExitCode::Ok;
  const auto ended = admin_.watch_events(backlog, [&](const v1::OperatorEvent& event) {
    result = terminal_.print(terminal_.json ? operator_event_json(event)
                                            : Result<std::string>(operator_event_text(event)));
    return result == ExitCode::Ok && (count == 0 || ++printed < count);
  });
  if (!ended) return terminal_.fail(ended.error());
  return result;
}

ExitCode Commands::drain() const {
  if (const auto done = admin_.drain(); !done) return terminal_.fail(done.error());
  if (terminal_.json) return terminal_.print(std::string(R"({"draining":true})"));
  return terminal_.print(std::string(
      "Draining: the last topology is served, provider answers and admin writes are refused.\n"
      "That is one-way: rollcalld ends within lifecycle.drain_deadline (5 s), with exit status "
      "0.\n"));
}

ExitCode Commands::join_member(const ClusterNode& node, const std::string& provider) const {
  const auto joined = admin_.join_member(node, ProviderId(provider));
  if (!joined) return terminal_.fail(joined.error());
  if (!terminal_.json) {
    return terminal_.print(shown(node.id.str()) + " joined " + shown(joined->provider_id()) +
                           ", durably.\n");
  }
  JsonWriter writer;
  writer.begin_object()
      .field("joined", node.id.str())
      .field("provider", joined->provider_id())
      .end_object();
  return terminal_.print(std::move(writer).finish());
}

ExitCode Commands::show_member(const std::string& node) const {
  const auto member = admin_.get_member(NodeId(node));
  if (!member) return terminal_.fail(member.error());
  return terminal_.print(terminal_.json ? member_json(*member)
                                        : Result<std::string>(member_text(*member)));
}

ExitCode Commands::leave_member(const std::string& node, const std::string& provider) const {
  const auto left = admin_.leave_member(NodeId(node), ProviderId(provider));
  if (!left) return terminal_.fail(left.error());
  if (!terminal_.json) {
    return terminal_.print(shown(node) + " left " + shown(left->provider_id()) + ".\n");
  }
  JsonWriter writer;
  writer.begin_object().field("left", node).field("provider", left->provider_id()).end_object();
  return terminal_.print(std::move(writer).finish());
}

ExitCode Commands::quarantine(const std::string& node, const std::string& incarnation) const {
  const auto member = remoting_.report_quarantined(NodeId(node), incarnation);
  if (!member) return terminal_.fail(member.error());
  if (!terminal_.json) {
    return terminal_.print(shown(node) + " is blocked on this sidecar" +
                           (*member ? "" : "; it is no member now and will be blocked on joining") +
                           ".\n");
  }
  JsonWriter writer;
  writer.begin_object().field("quarantined", node).field("member", *member).end_object();
  return terminal_.print(std::move(writer).finish());
}

ExitCode Commands::recover(const std::string& node, const std::string& incarnation) const {
  const auto member = remoting_.report_recovered(NodeId(node), incarnation);
  if (!member) return terminal_.fail(member.error());
  if (!terminal_.json) {
    return terminal_.print(shown(node) +
                           " will be unblocked by the active provider's next confirmed answer that "
                           "has it.\n");
  }
  JsonWriter writer;
  writer.begin_object().field("recovered", node).field("member", *member).end_object();
  return terminal_.print(std::move(writer).finish());
}

ExitCode Commands::show_switch(const Result<v1::SwitchProviderResponse>& response) const {
  if (!response) return terminal_.fail(response.error());
  if (!terminal_.json) {
    const std::string active =
        response->active_provider().empty() ? "none" : shown(response->active_provider());
    return terminal_.print("Active provider: " + active + ".\n");
  }
  JsonWriter writer;
  writer.begin_object().field("active_provider", response->active_provider()).end_object();
  return terminal_.print(std::move(writer).finish());
}

ExitCode Commands::switch_provider(const std::string& id,
                                   std::chrono::milliseconds duration) const {
  return show_switch(admin_.switch_provider(ProviderId(id), duration));
}

ExitCode Commands::clear_switch() const { return show_switch(admin_.clear_switch()); }

ExitCode Commands::release_removals() const {
  const auto response = admin_.release_removals();
  if (!response) return terminal_.fail(response.error());
  if (!terminal_.json) {
    return terminal_.print("Released " + count_text(response->released(), "removal") + ".\n");
  }
  JsonWriter writer;
  writer.begin_object().field("released", response->released()).end_object();
  return terminal_.print(std::move(writer).finish());
}

}  // namespace rollcall::cli

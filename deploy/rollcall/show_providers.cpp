#include "deploy/rollcall/show_providers.h"

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "bridges/client/replica/wire.h"
#include "core/codec/descriptor_codec.h"
#include "core/codec/json_writer.h"
#include "deploy/rollcall/show_error.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

std::string age_text(const v1::ProviderState& state) {
  if (state.last_confirmed_unix_ms() == 0) return "never";
  return duration_text(
             std::chrono::milliseconds(static_cast<std::int64_t>(state.confirmed_age_ms()))) +
         " ago";
}

std::string health_text(const v1::ProviderState& state) {
  return std::string(to_string(client::health_from_wire(state.health())));
}

void write_state(const v1::ProviderState& state, JsonWriter& writer) {
  const auto& provider = state.provider();
  writer.begin_object()
      .field("id", provider.id())
      .field("kind", provider.kind())
      .field("priority", provider.priority())
      .field("origin", provider.origin())
      .field("enabled", enabled(state))
      .field("disabled_reason", provider.disabled_reason())
      .field("active", state.active())
      .field("pinned", state.pinned())
      .field("watching", state.watching())
      .field("health", health_text(state))
      .key("last_confirmed_unix_ms")
      .string(std::to_string(state.last_confirmed_unix_ms()))
      .field_u64_text("confirmed_age_ms", state.confirmed_age_ms())
      .field("consecutive_errors", state.consecutive_errors())
      .field("last_error_code", state.last_error_code())
      .field("last_error", state.last_error())
      .field("held", state.held())
      .field("held_reason", state.held_reason())
      .field("capability_missing", state.capability_missing())
      .field("missing_capability", state.missing_capability())
      .field("accepted_unreachable", state.accepted_unreachable())
      .field("members", state.members())
      .field_u64_text("view_hash", state.view_hash())
      .field("backend_index", state.backend_index())
      .field("order", state.order())
      .key("descriptor");
  write_descriptor(client::provider_from_wire(provider), DescriptorForm::Operator, writer);
  writer.end_object();
}

std::vector<Problem> problems_of(const google::protobuf::RepeatedPtrField<v1::Problem>& problems) {
  std::vector<Problem> result;
  for (const auto& problem : problems) {
    result.push_back({problem.field(), problem.value(), problem.expected()});
  }
  return result;
}

std::string join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string result;
  for (const auto& text : texts) {
    if (!result.empty()) result += ", ";
    result += shown(text);
  }
  return result;
}

// A validation that failed is shown like the error that the write would have been.
std::string refusal_text(const std::string& code, const std::vector<Problem>& problems,
                         std::uint32_t total) {
  return "It would be refused: " + shown(code) + "\n" + problems_text(problems, total);
}

std::string_view action_name(v1::PlanStep::Action action) {
  switch (action) {
    case v1::PlanStep::ACTION_KEEP:
      return "keep";
    case v1::PlanStep::ACTION_ADD:
      return "add";
    case v1::PlanStep::ACTION_UPDATE:
      return "update";
    case v1::PlanStep::ACTION_REMOVE:
      return "remove";
    default:
      return "unknown";
  }
}

std::string_view action_mark(v1::PlanStep::Action action) {
  switch (action) {
    case v1::PlanStep::ACTION_ADD:
      return "+";
    case v1::PlanStep::ACTION_UPDATE:
      return "~";
    case v1::PlanStep::ACTION_REMOVE:
      return "-";
    default:
      return "";
  }
}

}  // namespace

bool enabled(const v1::ProviderState& state) {
  return !state.provider().has_enabled() || state.provider().enabled();
}

std::string condition_text(const v1::ProviderState& state) {
  const auto with = [](std::string word, const std::string& why) {
    return why.empty() ? word : word + ": " + shown(why, 80);
  };
  if (!enabled(state)) return with("disabled", state.provider().disabled_reason());
  if (state.held()) return with("held", state.held_reason());
  if (state.capability_missing()) return with("lacks", state.missing_capability());
  if (!state.watching() && state.provider().standby() == "cold")
    return "not watched (cold standby)";
  if (state.health() == v1::HEALTH_HEALTHY) return "HEALTHY";
  std::string text = health_text(state);
  if (!state.last_error_code().empty()) text += ": " + shown(state.last_error_code());
  if (state.accepted_unreachable() && state.last_confirmed_unix_ms() == 0) {
    text += " (accepted so)";
  }
  return text;
}

std::string providers_text(const v1::ListProvidersResponse& providers) {
  Table table({"", "ID", "KIND", "PRIORITY", "CONDITION", "CONFIRMED", "MEMBERS", "ORIGIN"});
  for (const auto& state : providers.providers()) {
    const auto& provider = state.provider();
    std::string mark = state.active() ? "*" : "";
    if (state.pinned()) mark += "P";
    table.row({mark, shown(provider.id()), shown(provider.kind()),
               std::to_string(provider.priority()), condition_text(state), age_text(state),
               std::to_string(state.members()), shown(provider.origin())});
  }
  return table.text() + "\n* active, P pinned by a switch; revision " +
         std::to_string(providers.revision()) + "\n";
}

Result<std::string> providers_json(const v1::ListProvidersResponse& providers) {
  JsonWriter writer(2);
  writer.begin_object().field_u64_text("revision", providers.revision());
  writer.key("providers").begin_array();
  for (const auto& state : providers.providers()) write_state(state, writer);
  writer.end_array().end_object();
  return std::move(writer).finish();
}

std::string provider_text(const v1::ProviderState& state) {
  std::string text;
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    text += std::string(name) + std::string(18 - name.size(), ' ') + value + "\n";
  };
  const auto& provider = state.provider();
  line("id", shown(provider.id()));
  line("kind", shown(provider.kind()));
  line("priority", std::to_string(provider.priority()));
  line("origin", shown(provider.origin()));
  line("standby", shown(provider.standby()));
  line("endpoints", join(provider.endpoints()));
  line("token file", shown(provider.auth().token_file()));
  line("CA file", shown(provider.auth().ca_file()));
  line("certificate", shown(provider.auth().cert_file()));
  const std::map<std::string, std::string> params(provider.watch_params().begin(),
                                                  provider.watch_params().end());
  for (const auto& [name, value] : params) {
    line("watch_params", shown(name) + " = " + shown(value, 512));
  }
  text += "\n";
  line("condition", condition_text(state));
  line("active", state.active() ? (state.pinned() ? "yes, pinned" : "yes") : "no");
  line("watched", state.watching() ? "yes" : "no");
  line("health", health_text(state));
  line("confirmed", state.last_confirmed_unix_ms() == 0
                        ? "never"
                        : age_text(state) + " (" + time_text(state.last_confirmed_unix_ms()) + ")");
  line("members", std::to_string(state.members()) + ", hash " + hash_text(state.view_hash()));
  line("backend index", shown(state.backend_index()));
  if (state.consecutive_errors() > 0) {
    line("errors in a row", std::to_string(state.consecutive_errors()));
  }
  if (!state.last_error_code().empty()) {
    line("last error", shown(state.last_error_code()) + ": " + shown(state.last_error(), 512));
  }
  line("held because", state.held() ? shown(state.held_reason()) : "");
  line("lacks", state.capability_missing() ? shown(state.missing_capability()) : "");
  if (state.accepted_unreachable()) line("accepted", "without being reached (--allow-unreachable)");
  return text;
}

Result<std::string> provider_json(const v1::ProviderState& state) {
  JsonWriter writer(2);
  write_state(state, writer);
  return std::move(writer).finish();
}

std::string kinds_text(const v1::ListKindsResponse& kinds) {
  std::string text;
  for (const auto& kind : kinds.kinds()) {
    if (!text.empty()) text += "\n";
    text += shown(kind.kind()) + ": " + shown(kind.summary(), 512) + "\n";
    text += kind.needs_endpoints() ? "  needs endpoints" : "  takes no endpoints";
    text += kind.announces() ? "; this node can be announced through it\n" : "\n";
    if (kind.params().empty()) continue;
    Table table({"WATCH_PARAMS", "TYPE", "DEFAULT", "MEANING"});
    for (const auto& param : kind.params()) {
      const std::string fallback = param.required()                ? "(required)"
                                   : param.default_value().empty() ? "-"
                                                                   : shown(param.default_value());
      table.row({shown(param.name()), shown(param.type()), fallback, shown(param.doc(), 512)});
    }
    text += table.text(2);
  }
  return text;
}

Result<std::string> kinds_json(const v1::ListKindsResponse& kinds) {
  JsonWriter writer(2);
  writer.begin_object().key("kinds").begin_array();
  for (const auto& kind : kinds.kinds()) {
    writer.begin_object()
        .field("kind", kind.kind())
        .field("summary", kind.summary())
        .field("needs_endpoints", kind.needs_endpoints())
        .field("announces", kind.announces());
    writer.key("params").begin_array();
    for (const auto& param : kind.params()) {
      writer.begin_object()
          .field("name", param.name())
          .field("type", param.type())
          .field("default", param.default_value())
          .field("required", param.required())
          .field("doc", param.doc())
          .end_object();
    }
    writer.end_array().end_object();
  }
  writer.end_array().end_object();
  return std::move(writer).finish();
}

std::string plan_text(const v1::ApplyProvidersResponse& response, bool dry_run) {
  if (!response.code().empty()) {
    return refusal_text(response.code(), problems_of(response.problems()),
                        response.total_problems());
  }
  std::string lines;
  std::map<v1::PlanStep::Action, std::uint64_t> counts;
  for (const auto& step : response.plan()) {
    ++counts[step.action()];
    const std::string mark(action_mark(step.action()));
    lines += "  " + (mark.empty() ? " " : mark) + " " + shown(step.id()) + "  " +
             std::string(action_name(step.action()));
    if (!step.changed_fields().empty()) lines += ": " + join(step.changed_fields());
    if (step.restarts_stream()) lines += " (its watch starts anew)";
    lines += "\n";
  }
  std::string text = (dry_run ? "Plan, at revision " : "Applied, now at revision ") +
                     std::to_string(response.revision()) + ":\n" + lines;
  return text + std::to_string(counts[v1::PlanStep::ACTION_ADD]) + " to add, " +
         std::to_string(counts[v1::PlanStep::ACTION_UPDATE]) + " to change, " +
         std::to_string(counts[v1::PlanStep::ACTION_REMOVE]) + " to remove, " +
         std::to_string(counts[v1::PlanStep::ACTION_KEEP]) + " unchanged.\n" +
         (dry_run ? "Nothing was changed.\n" : "");
}

Result<std::string> plan_json(const v1::ApplyProvidersResponse& response, bool dry_run) {
  JsonWriter writer(2);
  writer.begin_object()
      .field("dry_run", dry_run)
      .field_u64_text("revision", response.revision())
      .field("code", response.code());
  writer.key("plan").begin_array();
  for (const auto& step : response.plan()) {
    writer.begin_object().field("id", step.id()).field("action", action_name(step.action()));
    writer.key("changed_fields").begin_array();
    for (const auto& field : step.changed_fields()) writer.string(field);
    writer.end_array().field("restarts_stream", step.restarts_stream()).end_object();
  }
  writer.end_array();
  write_problems(writer, problems_of(response.problems()), response.total_problems());
  writer.end_object();
  return std::move(writer).finish();
}

std::string write_text(const v1::ProviderResponse& response, std::string_view id,
                       std::string_view did, bool dry_run) {
  if (!response.code().empty()) {
    return refusal_text(response.code(), problems_of(response.problems()),
                        response.total_problems());
  }
  const std::string revision = std::to_string(response.revision());
  if (dry_run) {
    return "Provider " + shown(id) + " would be " + std::string(did) + " (now at revision " +
           revision + "). Nothing was changed.\n";
  }
  return "Provider " + shown(id) + " " + std::string(did) + ", revision " + revision + ".\n";
}

Result<std::string> write_json(const v1::ProviderResponse& response, std::string_view id,
                               std::string_view did, bool dry_run) {
  JsonWriter writer(2);
  writer.begin_object()
      .field("id", id)
      .field("result", response.code().empty() ? did : "refused")
      .field("dry_run", dry_run)
      .field_u64_text("revision", response.revision())
      .field("code", response.code());
  write_problems(writer, problems_of(response.problems()), response.total_problems());
  writer.end_object();
  return std::move(writer).finish();
}

}  // namespace rollcall::cli

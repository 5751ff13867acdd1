#include "providers/common/params.h"

#include <charconv>
#include <optional>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string param_text(const KindInfo& info, const ProviderDescriptor& d, std::string_view name) {
  if (const auto found = d.watch_params.find(std::string(name)); found != d.watch_params.end()) {
    return found->second;
  }
  for (const ParamSpec& spec : info.params) {
    if (spec.name == name) return std::string(spec.fallback);
  }
  return {};
}

std::int64_t param_integer(const KindInfo& info, const ProviderDescriptor& d,
                           std::string_view name) {
  return to_integer(param_text(info, d, name)).value_or(0);
}

bool param_bool(const KindInfo& info, const ProviderDescriptor& d, std::string_view name) {
  return param_text(info, d, name) == "true";
}

void check_range(const KindInfo& info, const ProviderDescriptor& d, std::string_view field,
                 std::string_view name, std::int64_t min, std::int64_t max,
                 std::vector<Problem>& problems) {
  const std::string text = param_text(info, d, name);
  const auto value = to_integer(text);
  if (!value || (*value >= min && *value <= max)) return;
  problems.push_back({param_path(field, name), printable(text, limits::kMaxProblemValueBytes),
                      "from " + std::to_string(min) + " to " + std::to_string(max)});
}

std::string param_path(std::string_view field, std::string_view name) {
  return field_path(field, "watch_params." + std::string(name));
}

std::string field_path(std::string_view field, std::string_view name) {
  std::string path(field);
  if (!path.empty()) path += '.';
  return path.append(name);
}

}  // namespace rollcall

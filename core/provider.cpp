#include "core/provider.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "core/limits.h"
#include "core/text.h"

namespace rollcall {
namespace {

// A week: longer than any refresh or wait that makes sense, and far from overflowing a Duration.
constexpr std::int64_t kMaxDurationMs = 7LL * 24 * 3600 * 1000;
constexpr std::string_view kEnumPrefix = "enum ";

bool parse_integer(std::string_view text, std::int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (true) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
}

// What a value of this type must be; empty when `value` is one.
std::string expected_of(std::string_view type, std::string_view value) {
  std::int64_t number = 0;
  if (type == "integer") {
    return parse_integer(value, number) ? "" : "an integer";
  }
  if (type == "duration_ms") {
    const bool good = parse_integer(value, number) && number >= 0 && number <= kMaxDurationMs;
    return good ? "" : "milliseconds: an integer from 0 to " + std::to_string(kMaxDurationMs);
  }
  if (type == "bool") return value == "true" || value == "false" ? "" : "true or false";
  if (type == "path") {
    const bool good = value.size() <= limits::kMaxPathBytes && value.substr(0, 1) == "/";
    return good ? "" : "an absolute path";
  }
  if (type.substr(0, kEnumPrefix.size()) == kEnumPrefix) {
    const std::string_view choices = type.substr(kEnumPrefix.size());
    return is_choice(choices, value) ? "" : "one of " + std::string(choices);
  }
  return "";  // "string"
}

std::string join(std::string_view prefix, std::string_view name) {
  std::string field(prefix);
  if (!field.empty()) field += '.';
  field += name;
  return field;
}

std::string known_params(const KindInfo& info) {
  if (info.params.empty()) return "no settings: the kind has none";
  std::string names = "one of ";
  for (std::size_t i = 0; i < info.params.size(); ++i) {
    if (i != 0) names += ", ";
    names += info.params[i].name;
  }
  return names;
}

}  // namespace

std::vector<Problem> validate_params(const KindInfo& info, const ProviderDescriptor& d,
                                     std::string_view field) {
  std::vector<Problem> out;
  if (info.needs_endpoints && d.endpoints.empty()) {
    out.push_back({join(field, "endpoints"), "", "at least one endpoint"});
  }
  if (!info.needs_endpoints && !d.endpoints.empty()) {
    // Not shown: nobody has judged whether there is a password in them.
    out.push_back({join(field, "endpoints"), std::string(kHiddenValue),
                   "no endpoints: kind " + std::string(info.kind) + " has none"});
  }
  for (const ParamSpec& spec : info.params) {
    const std::string name = join(field, "watch_params." + std::string(spec.name));
    const auto found = d.watch_params.find(std::string(spec.name));
    if (found == d.watch_params.end()) {
      if (spec.required) out.push_back({name, "", std::string(spec.doc)});
      continue;
    }
    std::string expected = expected_of(spec.type, found->second);
    if (expected.empty() && spec.required && found->second.empty()) expected = "a non-empty value";
    if (!expected.empty()) {
      out.push_back(
          {name, printable(found->second, limits::kMaxProblemValueBytes), std::move(expected)});
    }
  }
  for (const auto& [key, value] : d.watch_params) {
    const bool known =
        std::any_of(info.params.begin(), info.params.end(),
                    [&name = key](const ParamSpec& spec) { return spec.name == name; });
    // The value isn't shown: an unknown setting may well be a secret in the wrong place.
    if (!known) {
      out.push_back({join(field, "watch_params." + printable(key, 64)), "", known_params(info)});
    }
  }
  return out;
}

}  // namespace rollcall

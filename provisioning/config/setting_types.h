// The types that a setting may have: how a value is read, checked, and written back. Private to
// this folder.
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/time.h"

namespace rollcall {

// A value from the file keeps its type: "15" isn't a number there. One from a flag or the
// environment is text and is read as whatever the setting wants.
struct SettingInput {
  const JsonValue& value;
  bool is_text = false;
};

std::optional<std::string> input_text(const SettingInput& input);
std::optional<bool> input_bool(const SettingInput& input);
std::optional<std::int64_t> input_integer(const SettingInput& input);
std::optional<double> input_number(const SettingInput& input);
// A list of texts; one text alone is a list of one. Of text input: separated by commas.
std::optional<std::vector<std::string>> input_list(const SettingInput& input);
// "500ms", "15s", "10m", "24h"; nothing else, so that no number is taken for another unit.
std::optional<Duration> input_duration(const SettingInput& input);
// "16MiB", "256KiB", "1GiB", or a number of bytes.
std::optional<std::uint64_t> input_bytes(const SettingInput& input);

std::string duration_text(Duration d);  // the largest unit that is exact; "0s"
std::string bytes_text(std::uint64_t bytes);
std::string number_text(double value);  // the shortest that reads back

}  // namespace rollcall

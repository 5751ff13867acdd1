// The registry's file out of any bytes: STORE_CORRUPTED in one plain sentence, or a registry that
// is written as it was read. The second half of the inputs gets a seal that fits, so that what lies
// behind the checksum is reached.
#include <cstdint>
#include <string>

#include "core/codec/canonical.h"
#include "providers/local/registry/registry_file.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

std::string sealed(std::string lines, std::size_t entries) {
  lines += "{\"entries\":" + std::to_string(entries) + ",\"checksum\":\"";
  std::uint64_t sum = rollcall::xxh64(lines);
  std::string digits(16, '0');
  for (std::size_t i = digits.size(); i-- > 0; sum >>= 4) digits[i] = "0123456789abcdef"[sum & 15];
  return lines + digits + "\"}\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using rollcall::fuzz::require;
  if (size == 0) return 0;
  std::string text(rollcall::fuzz::text_of(data, size).substr(1));
  if (data[0] >= 0x80) text = sealed(std::move(text), data[0] & 0x7f);
  const auto content = rollcall::decode_registry(text, "f");
  if (!content) {
    require(content.error().code == rollcall::ErrorCode::StoreCorrupted, "what is wrong is broken");
    rollcall::fuzz::require_structured(content.error());
    return 0;
  }
  for (const auto& entry : content->entries) {
    require(rollcall::validate_node(rollcall::labelled_node(entry), "").empty(),
            "members are valid");
  }
  const auto again = rollcall::encode_registry(*content);
  require(again.has_value(), "what was read can be written");
  const auto decoded = rollcall::decode_registry(*again, "f");
  require(decoded.has_value(), "what was written can be read");
  require(rollcall::encode_registry(*decoded).value_or("") == *again, "and is the same");
  return 0;
}

// Whatever is read can be written, and reads back as the same.
#include "core/codec/json_reader.h"
#include "core/codec/json_writer.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rollcall;
  const auto value = parse_json(fuzz::text_of(data, size));
  if (!value) {
    fuzz::require_structured(value.error());
    return 0;
  }
  JsonWriter once;
  const auto text = std::move(once.value(*value)).finish();
  fuzz::require(text.has_value(), "what was read can be written");
  const auto back = parse_json(*text);
  fuzz::require(back.has_value(), "what was written can be read");
  JsonWriter twice;
  fuzz::require(std::move(twice.value(*back)).finish().value() == *text, "and is the same");
  return 0;
}

// Whatever YAML is read can be written as JSON, which is read by both readers as the same.
#include "core/codec/json_writer.h"
#include "core/codec/yaml_reader.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

std::string written(const rollcall::JsonValue& value) {
  rollcall::JsonWriter writer;
  auto text = std::move(writer.value(value)).finish();
  rollcall::fuzz::require(text.has_value(), "what was read can be written");
  return *std::move(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rollcall;
  const auto value = parse_yaml(fuzz::text_of(data, size));
  if (!value) {
    fuzz::require_structured(value.error());
  } else {
    const std::string text = written(*value);
    const auto back = parse_document(text);
    fuzz::require(back.has_value(), "what was written can be read");
    fuzz::require(written(*back) == text, "and is the same");
  }
  const auto document = parse_document(fuzz::text_of(data, size));
  if (!document) fuzz::require_structured(document.error());
  return 0;
}

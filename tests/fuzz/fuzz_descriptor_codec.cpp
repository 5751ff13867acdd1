// A descriptor that is accepted is valid, and survives being stored.
#include "core/codec/descriptor_codec.h"
#include "core/codec/json_reader.h"
#include "tests/fuzz/fuzz_support.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rollcall;
  const auto descriptors = parse_descriptors(fuzz::text_of(data, size));
  if (!descriptors) {
    fuzz::require_structured(descriptors.error());
    return 0;
  }
  for (const ProviderDescriptor& d : *descriptors) {
    fuzz::require(validate_descriptor(d, "").empty(), "what is accepted is valid");
    const auto text = descriptor_to_json(d, DescriptorForm::Stored);
    fuzz::require(text.has_value(), "what is accepted can be stored");
    fuzz::require(text->find('\n') == std::string::npos, "on one line");
    const auto value = parse_json(*text);
    fuzz::require(value.has_value(), "what is stored can be read");
    ProblemList problems;
    const auto back = read_descriptor(*value, "", DescriptorForm::Stored, problems);
    fuzz::require(problems.empty() && back == d, "and is the same");
  }
  return 0;
}

// HttpResponseParser on any bytes: it ends, holds no more than its limits, and what it makes of an
// answer does not depend on how the bytes were cut.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "providers/common/http_response.h"

namespace {

constexpr std::size_t kMaxBody = 4096;

struct Outcome {
  bool complete = false;
  bool failed = false;
  rollcall::HttpResponse response;
};

Outcome parse(std::string_view text, std::size_t piece) {
  rollcall::HttpResponseParser parser(kMaxBody);
  Outcome outcome;
  while (!text.empty() && !parser.complete() && !outcome.failed) {
    const auto used = parser.feed(text.substr(0, piece));
    outcome.failed = !used;
    if (used) text.remove_prefix(*used);
  }
  if (!outcome.failed && !parser.complete()) outcome.failed = !parser.end_of_stream();
  outcome.complete = parser.complete();
  outcome.response = std::move(parser.response());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = parse(text, std::max<std::size_t>(size, 1));
  const Outcome bytes = parse(text, 1);
  if (whole.response.body.size() > kMaxBody) std::abort();
  if (whole.failed != bytes.failed || whole.complete != bytes.complete) std::abort();
  if (whole.complete && (whole.response.body != bytes.response.body ||
                         whole.response.headers != bytes.response.headers)) {
    std::abort();
  }
  return 0;
}

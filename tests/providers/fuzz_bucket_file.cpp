// A bucket of in-memory members out of any bytes: STORE_CORRUPTED, or a bucket that is written as
// it was read.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "providers/in_memory/bucket_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto bucket = rollcall::decode_bucket(text, "f", data[0]);
  if (!bucket) {
    if (bucket.error().code != rollcall::ErrorCode::StoreCorrupted) std::abort();
    return 0;
  }
  const auto again = rollcall::encode_bucket(*bucket);
  if (!again) std::abort();
  const auto decoded = rollcall::decode_bucket(*again, "f", data[0]);
  if (!decoded || decoded->members.size() != bucket->members.size()) std::abort();
  return 0;
}

// State files, and the document of a fleet, whose seals are right and whose content is anything:
// refused with a structured error, or read, and then what is written again reads the same. The
// first byte chooses the file; each line of the rest is the inside of one record, the last one that
// of the trailer.
#include <optional>
#include <string>
#include <vector>

#include "core/codec/canonical.h"
#include "provisioning/fleet/fleet_document.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/hex.h"
#include "provisioning/registry/state_files.h"
#include "tests/fuzz/fuzz_support.h"
#include "tests/support/mem_file_system.h"

namespace {

using namespace rollcall;

std::string sealed_line(const std::string& fields) {
  const std::string rest = fields + "}";
  return R"({"checksum":")" + to_hex(xxh64(rest)) + R"(",)" + rest + "\n";
}

std::string sealed_file(const std::string& format, std::string_view inside) {
  std::string text = sealed_line(R"("format":")" + format + R"(","min_reader":1)");
  std::size_t count = 0;
  while (true) {
    const std::size_t end = inside.find('\n');
    const std::string line(inside.substr(0, end));
    if (end == std::string_view::npos) {
      return text + sealed_line(R"("count":)" + std::to_string(count) + R"(,"digest":")" +
                                to_hex(xxh64(text)) + "\"" + (line.empty() ? "" : ",") + line);
    }
    text += sealed_line(line);
    ++count;
    inside.remove_prefix(end + 1);
  }
}

struct File {
  const char* name;
  const char* format;
};
constexpr const char* kShared = "";  // no file: the document that a fleet has in etcd
constexpr File kFiles[] = {
    {"providers.jsonl", "rollcall.providers"}, {"blocks.jsonl", "rollcall.blocks"},
    {"holds.jsonl", "rollcall.holds"},         {"observed.jsonl", "rollcall.observed"},
    {"topology.jsonl", "rollcall.topology"},   {"boot.jsonl", "rollcall.boot"},
    {"fleet.jsonl", "rollcall.providers"},     {kShared, "rollcall.providers"}};

template <class T>
bool accepted(const Result<T>& result) {
  if (!result) fuzz::require_structured(result.error());
  return result.has_value();
}

bool same(const FleetSet& one, const FleetSet& other) {
  return one.fleet == other.fleet && one.same_set(other);
}

void check(test::MemFileSystem& files, std::size_t which) {
  StateFiles state(files, "/s");
  if (which == 0) {
    FileProviderStore store(files, "/s");
    const auto set = store.load();
    if (!accepted(set)) return;
    const auto saved = store.save(set->providers, set->revision);
    fuzz::require(saved.has_value(), "what was read can be written");
    const auto again = FileProviderStore(files, "/s").load();
    fuzz::require(again && again->providers == set->providers, "and is the same");
  } else if (which == 1) {
    const auto blocks = state.load_blocks();
    if (!accepted(blocks)) return;
    fuzz::require(state.save_blocks(*blocks).has_value(), "what was read can be written");
    fuzz::require(*StateFiles(files, "/s").load_blocks() == *blocks, "and is the same");
  } else if (which == 2) {
    const auto held = state.load_holds();
    if (!accepted(held)) return;
    fuzz::require(state.save_holds(*held).has_value(), "what was read can be written");
    fuzz::require(*StateFiles(files, "/s").load_holds() == *held, "and is the same");
  } else if (which == 3) {
    const auto observed = state.load_observed();
    if (!accepted(observed)) return;
    fuzz::require(state.save_observed(**observed).has_value(), "what was read can be written");
    fuzz::require(*StateFiles(files, "/s").load_observed() == *observed, "and is the same");
  } else if (which == 4) {
    const auto topology = state.load_topology();
    if (!accepted(topology) || !*topology) return;
    fuzz::require(state.save_topology(**topology).has_value(), "what was read can be written");
    const auto again = StateFiles(files, "/s").load_topology();
    fuzz::require(again && *again && (*again)->members.hash() == (*topology)->members.hash(),
                  "and is the same");
  } else if (which == 5) {
    const auto boot = state.next_boot();
    if (accepted(boot)) fuzz::require(*boot <= kMaxBoot, "a boot number fits into seq_no");
  } else {
    const auto copy = read_fleet_copy(files, "/s");
    if (!accepted(copy) || !*copy) return;
    fuzz::require(write_fleet_copy(files, "/s", **copy).has_value(),
                  "what was read can be written");
    const auto again = read_fleet_copy(files, "/s");
    fuzz::require(again && *again && same((*again)->set, (*copy)->set) &&
                      (*again)->key == (*copy)->key && (*again)->history == (*copy)->history,
                  "and is the same");
  }
}

void check_shared(const std::string& text) {
  const auto set = decode_fleet_document(text);
  if (!set) return fuzz::require_structured(set.error().error);
  for (const ProviderDescriptor& provider : set->set.providers) {
    fuzz::require(provider.origin == Origin::Api, "a fleet has no configuration");
  }
  const auto written = encode_fleet_document(*set);
  if (!written)
    return fuzz::require_structured(written.error());  // as long as it may be, and kept fields
  const auto again = decode_fleet_document(*written);
  fuzz::require(again && same(*again, *set), "what was read can be written and is the same");
  fuzz::require(encode_fleet_document(*again) == *written, "byte by byte");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t which = data[0] % std::size(kFiles);
  const std::string text = sealed_file(kFiles[which].format, fuzz::text_of(data + 1, size - 1));
  if (kFiles[which].name == kShared) return check_shared(text), 0;
  test::MemFileSystem files;
  fuzz::require(files.make_directory("/s").has_value(), "a directory");
  files.put(std::string("/s/") + kFiles[which].name, text);
  check(files, which);
  return 0;
}

// EndpointSlices out of any bytes: an error, or slices whose endpoints are all members that pass
// validate_node(), and whose union has ids that differ, told once. The first byte chooses the
// settings, the rest is a page, a head, or the lines of a watch.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "providers/kubernetes/slice_view.h"
#include "tests/fuzz/fuzz_support.h"

namespace {

using rollcall::fuzz::require;

void check(rollcall::SliceView& view) {
  const auto change = view.take_change();
  if (!change) return rollcall::fuzz::require_structured(change.error());
  std::set<std::string> ids;
  for (const auto& node : view.members()) {
    require(rollcall::validate_node(node, "").empty(), "members are valid");
    require(ids.insert(node.id.str()).second, "ids differ");
  }
  for (const auto& id : change->removals) require(!ids.contains(id.str()), "what left is gone");
  for (const auto& node : change->upserts)
    require(ids.contains(node.id.str()), "what joined is in");
  require(!view.touched(), "what was told is told");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  rollcall::KubernetesSettings settings;
  settings.id = static_cast<rollcall::KubernetesSettings::Id>(data[0] & 3U);
  settings.slice_labels = (data[0] & 4U) != 0;
  if ((data[0] & 8U) != 0) settings.port_name = "http";
  const std::string text(rollcall::fuzz::text_of(data + 1, size - 1));
  rollcall::SliceView view;
  if (auto page = rollcall::parse_page(text, settings)) {
    if (view.assign(std::move(page->slices))) check(view);
  } else {
    rollcall::fuzz::require_structured(page.error());
  }
  if (auto head = rollcall::parse_head(text)) (void)view.covers(*head, "1");
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (auto event = rollcall::parse_event(text.substr(begin, end - begin), settings)) {
      if (event->type == rollcall::WatchEvent::Type::Deleted) {
        view.remove(event->slice.name);
      } else if (event->type != rollcall::WatchEvent::Type::Bookmark) {
        view.upsert(std::move(event->slice));
      }
      check(view);
    } else {
      rollcall::fuzz::require_structured(event.error());
    }
    begin = end + 1;
  }
  return 0;
}

// DNS replies out of any bytes: an error, or members that all pass validate_node() and whose ids
// differ. Every question of a look-up is answered with the same bytes.
#include <cstdint>
#include <set>
#include <string>

#include "providers/dns/dns_lookup.h"
#include "tests/fuzz/fuzz_support.h"

using namespace rollcall;

namespace {

void look_up_with(const DnsSettings& settings, const DnsMessage& message) {
  const auto found = look_up(settings, [&](const std::vector<DnsQuestion>& questions) {
    fuzz::require(!questions.empty(), "nothing is asked without a question");
    return Result<std::vector<DnsMessage>>(std::vector(questions.size(), message));
  });
  if (!found) return fuzz::require_structured(found.error());
  std::set<std::string> ids;
  for (const ClusterNode& node : found->members) {
    fuzz::require(validate_node(node, "").empty(), "a member is valid");
    fuzz::require(ids.insert(node.id.str()).second, "ids differ");
  }
  fuzz::require(found->ttl.count() <= 0x7FFFFFFF, "a TTL has 31 bits");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = parse_dns_message(fuzz::text_of(data, size));
  if (!message) {
    fuzz::require_structured(message.error());
    return 0;
  }
  for (const auto kind : {DnsSettings::Kind::Srv, DnsSettings::Kind::Both}) {
    for (const auto id : {DnsSettings::Id::Address, DnsSettings::Id::Name}) {
      DnsSettings settings;
      settings.name = "x";
      settings.kind = kind;
      settings.id = id;
      settings.all_priorities = id == DnsSettings::Id::Name;
      look_up_with(settings, *message);
    }
  }
  return 0;
}

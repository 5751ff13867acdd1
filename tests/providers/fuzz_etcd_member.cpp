// An etcd value out of any bytes (the first line is the key): an error, or a member that passes
// validate_node(); and the same through a view, which forgets nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/limits.h"
#include "providers/common/endpoint_errors.h"
#include "providers/etcd/etcd_member.h"
#include "providers/etcd/etcd_view.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = text.find('\n');
  const std::string_view name = text.substr(0, line);
  const std::string_view value = line == text.npos ? std::string_view() : text.substr(line + 1);
  for (const auto id_from : {rollcall::EtcdIdFrom::Value, rollcall::EtcdIdFrom::Key}) {
    const auto member = rollcall::parse_etcd_member(name, value, id_from);
    if (!member && member.error().message.size() > rollcall::limits::kMaxErrorDetailBytes) {
      std::abort();
    }
    if (member && !rollcall::validate_node(*member, "").empty()) std::abort();

    rollcall::EtcdView view("/p/", id_from);
    view.put("/p/" + std::string(name), value, 2);
    if (view.keys() != 1 || view.fault().has_value() != !member.has_value()) std::abort();
    rollcall::EndpointErrors errors;
    if (auto fault = view.fault()) errors.add(*fault);
    if (errors.detail().size() > 512) std::abort();
    view.remove("/p/" + std::string(name));
    if (view.keys() != 0 || view.digest() != 0 || view.fault()) std::abort();
  }
  return 0;
}

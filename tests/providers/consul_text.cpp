#include "tests/providers/consul_text.h"

#include <sstream>

#include "tests/providers/scripted_server.h"

namespace rollcall::test {

std::string consul_entry(const std::string& node, const std::string& service_id,
                         const ConsulEntry& entry) {
  std::string checks;
  std::istringstream list(entry.checks);
  for (std::string item; std::getline(list, item, ',');) {
    const bool maintenance = item.starts_with('_');
    if (!checks.empty()) checks += ',';
    checks += R"({"CheckID":")" + (maintenance ? item : "c") + R"(","Status":")" +
              (maintenance ? "critical" : item) + "\"}";
  }
  return R"({"Node":{"Node":")" + node + R"(","Address":"10.0.0.1"},"Service":{"ID":")" +
         service_id + R"(","Address":"","Port":80,"Meta":{)" + entry.meta + R"(},"Tags":[)" +
         entry.tags + R"(],"Weights":{"Passing":10,"Warning":3}},"Checks":[)" + checks + "]}";
}

std::string consul_ok(std::string_view body, std::uint64_t index, std::string_view headers) {
  std::string all = "X-Consul-Index: " + std::to_string(index) +
                    "\r\nX-Consul-KnownLeader: true\r\nX-Consul-LastContact: 0\r\n";
  return http_ok(body, all.append(headers));
}

std::string query_param(const std::string& head, const std::string& name) {
  const std::string target = head.substr(0, head.find(" HTTP/"));
  for (const char before : {'?', '&'}) {
    const std::size_t at = target.find(before + name + "=");
    if (at == std::string::npos) continue;
    const std::size_t from = at + name.size() + 2;
    return target.substr(from, target.find('&', from) - from);
  }
  return {};
}

}  // namespace rollcall::test

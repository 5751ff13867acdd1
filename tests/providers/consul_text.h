// Consul's answers as text, for tests without an agent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rollcall::test {

struct ConsulEntry {
  std::string checks = "passing";  // statuses, or ids of maintenance checks, by comma
  std::string meta{};              // JSON members
  std::string tags{};              // JSON values
};

// One entry of the health endpoint: node `node` at 10.0.0.1, port 80, weights 10 and 3.
std::string consul_entry(const std::string& node, const std::string& service_id,
                         const ConsulEntry& entry = {});

// A whole HTTP answer with this body and index.
std::string consul_ok(std::string_view body, std::uint64_t index, std::string_view headers = {});

// The value of a query parameter in a request's head; "" if it isn't there.
std::string query_param(const std::string& head, const std::string& name);

}  // namespace rollcall::test

// What the tests of announcers share.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "core/announcer.h"
#include "core/provider.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {

// "n1 at 10.0.0.7:7000", with a TTL that no test outlasts.
inline Announcement announcement(const std::string& id = "n1",
                                 Duration ttl = std::chrono::hours(1)) {
  Announcement what;
  what.node = make_node(id, 7000);
  what.node.host = "10.0.0.7";
  what.node.zone = "z1";
  what.node.labels = {{"rack", "r7"}};
  what.node.weight = 3;
  what.ttl = ttl;
  return what;
}

// "KNOWN", "NOT_KNOWN" or the error's code, for comparisons.
inline std::string text_of(const Result<Standing>& standing) {
  if (!standing)
    return std::string(to_string(standing.error().code)) + ": " + standing.error().message;
  return *standing == Standing::Known ? "KNOWN" : "NOT_KNOWN";
}
template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "OK" : std::string(to_string(result.error().code));
}
template <class T>
std::string message_of(const Result<T>& result) {
  return result ? "OK" : result.error().message;
}

// The provider's own list has exactly this node as it was announced, under `listed_as`.
inline void expect_listed(ClusterProvider& provider, const Announcement& what,
                          const NodeId& listed_as, const Clock& clock) {
  const auto list = provider.initial_snapshot(clock.now() + std::chrono::seconds(10));
  ASSERT_TRUE(list.has_value()) << list.error().message;
  const ClusterNode* found = nullptr;
  for (const ClusterNode& node : list->members) {
    if (node.id == listed_as) found = &node;
  }
  ASSERT_NE(found, nullptr) << listed_as.str();
  ClusterNode expected = what.node;
  expected.id = listed_as;
  ClusterNode seen = *found;
  // What the kind adds of its own is no part of what was announced.
  std::erase_if(seen.labels, [](const auto& label) {
    return label.first.starts_with("rollcall-") || label.first == "consul-tags";
  });
  EXPECT_EQ(seen, expected);
}

inline std::vector<std::string> listed_ids(ClusterProvider& provider, const Clock& clock) {
  const auto list = provider.initial_snapshot(clock.now() + std::chrono::seconds(10));
  EXPECT_TRUE(list.has_value()) << (list ? "" : list.error().message);
  return list ? ids_of(list->members) : std::vector<std::string>{"failed"};
}

// A call that hangs ends within moments of a cancel() from another thread.
template <class Call>
void expect_cancellable(Announcer& announcer, const Call& call) {
  std::thread canceller([&] { announcer.cancel(); });
  const auto result = call();
  canceller.join();
  EXPECT_FALSE(result.has_value());
}

}  // namespace rollcall::test

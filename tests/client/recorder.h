// Small helpers to look at what a replica told.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "bridges/client/replica/topology_replica.h"

namespace rollcall::client::testing {

inline std::vector<Notice> feed(TopologyReplica& replica,
                                const std::vector<v1::ClusterEvent>& events) {
  std::vector<Notice> all;
  for (const auto& event : events) {
    for (auto& notice : replica.apply(event).notices) all.push_back(std::move(notice));
  }
  return all;
}

template <class T>
std::vector<T> all_of(const std::vector<Notice>& notices) {
  std::vector<T> result;
  for (const auto& notice : notices) {
    if (const T* found = std::get_if<T>(&notice)) result.push_back(*found);
  }
  return result;
}

inline std::vector<std::string> ids(const std::vector<Member>& members) {
  std::vector<std::string> result;
  for (const auto& member : members) result.push_back(member.id().str());
  return result;
}

inline std::vector<TroubleKind> troubles(const std::vector<Notice>& notices) {
  std::vector<TroubleKind> result;
  for (const auto& trouble : all_of<Trouble>(notices)) result.push_back(trouble.kind);
  return result;
}

}  // namespace rollcall::client::testing

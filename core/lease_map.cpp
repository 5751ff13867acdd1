#include "core/lease_map.h"

#include <algorithm>
#include <utility>

namespace rollcall {
namespace {

const std::string& key(const std::shared_ptr<const Lease>& lease) { return lease->partition; }

}  // namespace

const Lease* LeaseMap::find(std::string_view partition) const {
  const auto page = std::partition_point(pages_.begin(), pages_.end(),
                                         [&](const auto& p) { return key(p->back()) < partition; });
  if (page == pages_.end()) return nullptr;
  const auto lease = std::partition_point((*page)->begin(), (*page)->end(),
                                          [&](const Entry& e) { return key(e) < partition; });
  return key(*lease) == partition ? lease->get() : nullptr;
}

void LeaseMap::append(Page page) {
  size_ += page.size();
  const std::size_t parts = (page.size() + kPageLeases - 1) / kPageLeases;
  for (std::size_t i = 0; i < parts; ++i) {
    const auto begin = page.begin() + static_cast<std::ptrdiff_t>(page.size() * i / parts);
    const auto end = page.begin() + static_cast<std::ptrdiff_t>(page.size() * (i + 1) / parts);
    pages_.push_back(std::make_shared<const Page>(begin, end));
  }
}

LeaseMap LeaseMap::with(const std::vector<Lease>& leases) const {
  Page news;
  news.reserve(leases.size());
  for (const Lease& lease : leases) news.push_back(std::make_shared<const Lease>(lease));
  std::stable_sort(news.begin(), news.end(),
                   [](const Entry& a, const Entry& b) { return key(a) < key(b); });
  const auto kept = std::unique(news.rbegin(), news.rend(),
                                [](const Entry& a, const Entry& b) { return key(a) == key(b); });
  news.erase(news.begin(), kept.base());  // of one partition the last is left
  LeaseMap out;
  out.pages_.reserve(pages_.size() + news.size() / kPageLeases + 1);
  auto next = news.begin();
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    // What comes before the next page's first lease belongs here; all the rest to the last page.
    const bool last = i + 1 == pages_.size();
    const auto end =
        last ? news.end() : std::partition_point(next, news.end(), [&](const Entry& e) {
          return key(e) < key(pages_[i + 1]->front());
        });
    if (next == end) {
      out.pages_.push_back(pages_[i]);
      out.size_ += pages_[i]->size();
      continue;
    }
    Page merged;
    for (const Entry& old : *pages_[i]) {
      while (next != end && key(*next) < key(old)) merged.push_back(*next++);
      merged.push_back(next != end && key(*next) == key(old) ? *next++ : old);
    }
    merged.insert(merged.end(), next, end);
    next = end;
    out.append(std::move(merged));
  }
  if (pages_.empty() && !news.empty()) out.append(std::move(news));
  return out;
}

void LeaseMap::for_each(const std::function<void(const Lease&)>& fn) const {
  for (const auto& page : pages_) {
    for (const Entry& lease : *page) fn(*lease);
  }
}

}  // namespace rollcall

#include "providers/etcd/etcd_reader.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/limits.h"

namespace rollcall {

using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;

// What has been read so far.
struct EtcdReader::Pages {
  EtcdSnapshot snapshot;
  RangeRequest request;
  std::int64_t total = 0;  // as the first page says
  std::string last_key;
  bool more = true;
};

EtcdReader::EtcdReader(EtcdClient& client, std::string prefix, EtcdIdFrom id_from)
    : client_(client),
      prefix_(std::move(prefix)),
      end_(etcd_prefix_end(prefix_)),
      id_from_(id_from) {}

tl::unexpected<ProvisioningError> EtcdReader::malformed(const std::string& why) const {
  return fail(ErrorCode::MalformedResponse, client_.endpoint() + ": " + why);
}

Result<EtcdSnapshot> EtcdReader::read(MonoTime deadline) {
  for (int attempt = 0; attempt < limits::kEtcdReadAttempts; ++attempt) {
    Pages pages{{EtcdView(prefix_, id_from_), {}, client_.clock().now()}, {}, 0, {}, true};
    pages.request.set_key(prefix_);
    pages.request.set_range_end(end_);
    pages.request.set_limit(limits::kEtcdPageKeys);
    auto whole = read_pages(pages, deadline);
    if (!whole) return tl::unexpected(std::move(whole.error()));
    if (!*whole) continue;  // compacted under our hands
    if (static_cast<std::int64_t>(pages.snapshot.view.keys()) != pages.total) {
      return malformed("etcd counts " + std::to_string(pages.total) + " keys and sent " +
                       std::to_string(pages.snapshot.view.keys()));
    }
    pages.snapshot.view.take_difference();
    return std::move(pages.snapshot);
  }
  return fail(
      ErrorCode::BackendUnavailable,
      client_.endpoint() + ": the history was compacted while it was read, again and again");
}

// False: the revision is no longer there.
Result<bool> EtcdReader::read_pages(Pages& pages, MonoTime deadline) {
  while (pages.more) {
    const MonoTime until =
        std::min(deadline, client_.clock().now() + Duration(limits::kEtcdPageTimeout));
    auto page = client_.range_page(pages.request, until);
    if (!page) return tl::unexpected(std::move(page.error()));
    if (page->outcome == EtcdPage::Outcome::Compacted) return false;
    if (page->outcome == EtcdPage::Outcome::TooLarge) {
      const std::int64_t limit = pages.request.limit();
      if (limit == 1) {
        return fail(ErrorCode::LimitExceeded,
                    client_.endpoint() + ": the value of one key is above " +
                        std::to_string(limits::kEtcdMaxMessageBytes) + " bytes");
      }
      pages.request.set_limit(std::max<std::int64_t>(1, limit / limits::kEtcdPageShrink));
      continue;
    }
    if (auto taken = take_page(pages, page->response); !taken) {
      return tl::unexpected(std::move(taken.error()));
    }
  }
  return true;
}

Result<void> EtcdReader::take_page(Pages& pages, const RangeResponse& page) {
  const auto& header = page.header();
  EtcdSnapshot& snapshot = pages.snapshot;
  if (pages.request.revision() == 0) {
    if (header.cluster_id() == 0 || header.revision() <= 0) return malformed("no etcd header");
    snapshot.at = {header.cluster_id(), header.revision()};
    pages.total = page.count();
    pages.request.set_revision(header.revision());
  } else if (header.cluster_id() != snapshot.at.cluster_id) {
    return malformed("the pages are of two clusters");
  }
  for (const mvccpb::KeyValue& kv : page.kvs()) {
    const bool in_order = kv.key() > pages.last_key && kv.key().starts_with(prefix_);
    if (!in_order || kv.mod_revision() > snapshot.at.revision) {
      return malformed("a page holds what was not asked for");
    }
    snapshot.view.put(kv.key(), kv.value(), kv.mod_revision());
    pages.last_key = kv.key();
  }
  if (snapshot.view.too_large()) {
    return fail(ErrorCode::LimitExceeded,
                client_.endpoint() + ": " + snapshot.view.fault()->message);
  }
  pages.more = page.more();
  if (pages.more && page.kvs().empty()) return malformed("an empty page that is not the last");
  pages.request.set_key(pages.last_key + '\0');
  return {};
}

Result<EtcdPosition> EtcdReader::ask_position(MonoTime deadline) {
  RangeRequest request;
  request.set_key(prefix_);  // one key, within what a role for the prefix may read
  request.set_keys_only(true);
  auto answer = client_.range(request, deadline);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  return EtcdPosition{answer->header().cluster_id(), answer->header().revision()};
}

Result<EtcdReader::Proof> EtcdReader::prove(std::size_t keys, std::int64_t revision,
                                            MonoTime deadline) {
  RangeRequest request;
  request.set_key(prefix_);
  request.set_range_end(end_);
  request.set_min_mod_revision(revision + 1);
  request.set_keys_only(true);
  request.set_limit(1);
  auto answer = client_.range(request, deadline);
  if (!answer) return tl::unexpected(std::move(answer.error()));
  const bool complete = answer->kvs().empty() && answer->count() == static_cast<std::int64_t>(keys);
  return Proof{complete, {answer->header().cluster_id(), answer->header().revision()}};
}

}  // namespace rollcall
